// SPDX-License-Identifier: MIT
// The editor: CodeMirror with Python's colours and the ghost text.
import {defaultKeymap, history, historyKeymap} from '@codemirror/commands';
import {bracketMatching, indentNodeProp, indentUnit, LRLanguage, syntaxHighlighting} from '@codemirror/language';
import {Prec} from '@codemirror/state';
import {drawSelection, EditorView, keymap, lineNumbers} from '@codemirror/view';
import {classHighlighter} from '@lezer/highlight';
import {parser} from '@lezer/python';
import {acceptAll, acceptWord, dismiss, ghostText} from './ghost.js';

/** A new line is indented as the one before it, and more behind a colon. */
const indent = indentNodeProp.add({
    'Script Body': (context) => {
        const before = context.pos > 0 ? context.lineAt(context.pos, -1) : null;
        if (before === null) return 0;
        const deeper = /:\s*(#.*)?$/.test(before.text.slice(0, context.pos - before.from));
        return context.lineIndent(before.from) + (deeper ? context.unit : 0);
    }
});
const python = LRLanguage.define({
    name: 'python',
    parser: parser.configure({props: [indent]}),
    languageData: {commentTokens: {line: '#'}, indentOnInput: /^\s*[}\])]$/}
});

const keys = [
    {key: 'Tab', run: acceptAll},
    {key: 'Ctrl-ArrowRight', run: acceptWord},
    {key: 'Alt-ArrowRight', run: acceptWord},
    {key: 'Escape', run: dismiss}
];

/**
 * @param onUpdate called with every update of the editor
 * @param onAsk    called when a completion is wanted without a change
 */
export function makeEditor(parent, doc, onUpdate, onAsk) {
    return new EditorView({
        parent,
        doc,
        selection: {anchor: doc.length},
        extensions: [
            lineNumbers(),
            history(),
            drawSelection(),
            bracketMatching(),
            EditorView.lineWrapping,
            indentUnit.of('    '),
            python,
            syntaxHighlighting(classHighlighter),
            ghostText,
            Prec.highest(keymap.of([...keys, {key: 'Ctrl-Space', run: () => (onAsk(), true)}])),
            keymap.of([...defaultKeymap, ...historyKeymap]),
            EditorView.contentAttributes.of({
                'aria-label': 'Python',
                'aria-describedby': 'keys',
                autocapitalize: 'off',
                autocorrect: 'off',
                spellcheck: 'false'
            }),
            EditorView.updateListener.of(onUpdate)
        ]
    });
}
