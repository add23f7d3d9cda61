// SPDX-License-Identifier: MIT
// A completion beside that of full depth.
import {describe, paint} from './colours.js';
import {byId, element} from './elements.js';
import {timesText} from './strip.js';

const key = (token) => token.id ?? token.text;

/** Returns two sets: the indices of tokens of a and of b that a longest common subsequence lacks. */
export function differing(a, b) {
    const length = Array.from({length: a.length + 1}, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; --i) {
        for (let j = b.length - 1; j >= 0; --j) {
            const same = key(a[i]) === key(b[j]);
            length[i][j] = same ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
        }
    }
    const inA = new Set(a.keys());
    const inB = new Set(b.keys());
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
        if (key(a[i]) === key(b[j])) {
            inA.delete(i++);
            inB.delete(j++);
        } else if (length[i + 1][j] >= length[i][j + 1]) {
            ++i;
        } else {
            ++j;
        }
    }
    return [inA, inB];
}

function panel(name, result, apart, layers, line) {
    const made = element('article');
    const head = element('header');
    head.append(element('b', '', name), element('span', '', timesText(result.timings)));
    const text = element('pre');
    text.append(element('span', 'prompt', line));
    result.tokens.forEach((token, i) => {
        const marked = apart.has(i) ? token.text.replaceAll('\n', '⏎\n') : token.text;
        const one = paint(element('span', '', marked), token, layers);
        one.title = describe(token, layers);
        if (apart.has(i)) {
            one.classList.add('apart');
            one.title += ', differs';
        }
        text.append(one);
    });
    made.append(head, text);
    return made;
}

function sentence(a, b, apart) {
    if (apart[0].size === 0 && apart[1].size === 0) return `The same ${a.length} tokens.`;
    const first = a.findIndex((token, i) => b[i] === undefined || key(token) !== key(b[i]));
    const [one, other] = [a[first], b[first]];
    const where = one && other
        ? `; the first is token ${first + 1}, ${JSON.stringify(one.text)} where full depth has ${JSON.stringify(other.text)}`
        : '; one of them ends earlier';
    return `${apart[0].size} of ${a.length} tokens are not in the text of full depth${where}.`;
}

/** Shows two completions of the same prompt, of which `line` is the end. */
export function showComparison(policy, full, layers, line) {
    const apart = differing(policy.tokens, full.tokens);
    byId('difference').textContent = sentence(policy.tokens, full.tokens, apart);
    byId('comparison').querySelector('.beside').replaceChildren(
        panel(policy.timings.policy, policy, apart[0], layers, line),
        panel(`full depth${full.timings.draft_n ? ', with drafts' : ''}`, full, apart[1], layers, line));
    byId('comparison').hidden = false;
}
