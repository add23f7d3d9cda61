// SPDX-License-Identifier: MIT
// The suggested text behind the cursor: shown, accepted, and typed through.
import {StateEffect, StateField} from '@codemirror/state';
import {Decoration, EditorView, WidgetType} from '@codemirror/view';
import {describe, paint} from './colours.js';

export const setGhost = StateEffect.define();  // {tokens, layers}, behind the cursor, or null
export const moreGhost = StateEffect.define();  // its tokens, when there are more of them
const acceptedGhost = StateEffect.define();  // how many characters of it are in the document now

/** Returns the tokens of a ghost that are still to be accepted. */
function remaining({tokens, skip}) {
    const left = [];
    let at = 0;
    for (const token of tokens) {
        const end = at + token.text.length;
        if (end > skip) left.push({...token, text: token.text.slice(Math.max(0, skip - at))});
        at = end;
    }
    return left;
}

const textOf = (ghost) => remaining(ghost).map((token) => token.text).join('');

class GhostText extends WidgetType {
    constructor(tokens, layers, block) {
        super();
        this.tokens = tokens;
        this.layers = layers;
        this.block = block;
    }
    eq(other) {
        return JSON.stringify(this) === JSON.stringify(other);
    }
    toDOM() {
        const made = document.createElement(this.block ? 'div' : 'span');
        made.className = this.block ? 'ghost rest' : 'ghost';
        made.setAttribute('aria-hidden', 'true');  // it is spoken when it is complete
        for (const token of this.tokens) {
            const one = paint(document.createElement('span'), token, this.layers);
            one.textContent = token.text;
            one.title = describe(token, this.layers);
            made.append(one);
        }
        return made;
    }
    ignoreEvent() {
        return false;
    }
}

function decorations(ghost, state) {
    if (ghost === null) return Decoration.none;
    const first = [];
    const rest = [];
    let into = first;
    for (const token of remaining(ghost)) {
        const newline = into === first ? token.text.indexOf('\n') : -1;
        if (newline < 0) {
            into.push(token);
            continue;
        }
        if (newline > 0) first.push({...token, text: token.text.slice(0, newline)});
        into = rest;
        const text = token.text.slice(newline + 1);
        if (text !== '') rest.push({...token, text});
    }
    const made = [];
    const widget = (tokens, block) => Decoration.widget({widget: new GhostText(tokens, ghost.layers, block), block, side: 1});
    if (first.length !== 0) made.push(widget(first, false).range(ghost.at));
    if (rest.length !== 0) made.push(widget(rest, true).range(state.doc.lineAt(ghost.at).to));
    return Decoration.set(made, true);
}

/** Returns the text that a transaction types at a place, null if it does something else. */
function typedAt(transaction, at) {
    let typed = null;
    let changes = 0;
    transaction.changes.iterChanges((from, to, newFrom, newTo, text) => {
        ++changes;
        if (from === at && to === at) typed = text.toString();
    });
    return changes === 1 ? typed : null;
}

function changed(ghost, transaction) {
    for (const effect of transaction.effects) {
        if (effect.is(setGhost)) {
            if (effect.value === null) return null;
            return {...effect.value, at: transaction.newSelection.main.head, skip: 0};
        }
        if (ghost !== null && effect.is(moreGhost)) return {...ghost, tokens: effect.value};
        if (ghost !== null && effect.is(acceptedGhost)) {
            return {...ghost, at: ghost.at + effect.value, skip: ghost.skip + effect.value};
        }
    }
    if (ghost === null) return null;
    if (transaction.docChanged) {
        const typed = typedAt(transaction, ghost.at);
        if (typed === null || !textOf(ghost).startsWith(typed)) return null;
        return {...ghost, at: ghost.at + typed.length, skip: ghost.skip + typed.length};
    }
    const selection = transaction.newSelection.main;
    return selection.empty && selection.head === ghost.at ? ghost : null;
}

const field = StateField.define({
    create: () => ({ghost: null, shown: Decoration.none}),
    update(value, transaction) {
        const ghost = changed(value.ghost, transaction);
        if (ghost === value.ghost && !transaction.docChanged) return value;
        return {ghost, shown: decorations(ghost, transaction.state)};
    },
    provide: (from) => EditorView.decorations.from(from, (value) => value.shown)
});

export const ghostText = field;

/** Returns the text that is suggested now, empty if none is. */
export function suggested(state) {
    const {ghost} = state.field(field);
    return ghost === null ? '' : textOf(ghost);
}

function insert(view, text) {
    if (text === '') return false;
    const {ghost} = view.state.field(field);
    view.dispatch({
        changes: {from: ghost.at, insert: text},
        selection: {anchor: ghost.at + text.length},
        effects: acceptedGhost.of(text.length),
        userEvent: 'input.complete',
        scrollIntoView: true
    });
    return true;
}

export const acceptAll = (view) => insert(view, suggested(view.state));
/** Blanks, and then a name, a number, or signs. */
export const acceptWord = (view) => insert(view, (suggested(view.state).match(/^\s*(\w+|[^\w\s]+)?/) ?? [''])[0]);
export function dismiss(view) {
    if (suggested(view.state) === '') return false;
    view.dispatch({effects: setGhost.of(null)});
    return true;
}
