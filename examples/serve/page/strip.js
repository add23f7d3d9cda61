// SPDX-License-Identifier: MIT
// The layers each token ran, a column of cells each, and the times of a completion.
import {describe, paint} from './colours.js';
import {byId, count, element, percent} from './elements.js';

/** A token's text in one line: ends of lines and longer blanks are signs, and a blank at an end a dot. */
const shown = (text) => text.replaceAll('\n', '⏎').replaceAll(/\t| {2,}/g, '⇥').replaceAll(/^ | $/g, '·');

function column() {
    const made = element('li');
    made.append(element('span', 'mark'), element('span', 'cells'), element('span', 'piece'));
    made.children[1].append(element('span', 'fill'));
    return made;
}

function fill(column, token, layers) {
    paint(column, token, layers);
    column.classList.remove('t');
    column.style.setProperty('--n', token.layer ?? 0);
    column.title = describe(token, layers);
    column.setAttribute('aria-label', column.title);
    column.children[0].textContent = token.drafted ? '◆' : '';
    column.children[2].textContent = shown(token.text);
}

/** Shows tokens; those that are shown already stay. */
export function showTokens(tokens, layers) {
    const strip = byId('strip');
    strip.classList.remove('old');
    while (strip.children.length > tokens.length) strip.lastChild.remove();
    tokens.forEach((token, i) => {
        const had = strip.children[i];
        const key = JSON.stringify([token.text, token.layer, token.drafted]);
        if (had?.dataset.key === key) return;
        const made = column();
        made.dataset.key = key;
        fill(made, token, layers);
        if (had) had.replaceWith(made);
        else strip.append(made);
    });
    strip.scrollTop = strip.scrollHeight;
}

/** Tells that the tokens shown belong to an earlier text. */
export const fadeTokens = () => byId('strip').classList.add('old');

export function showLegend(layers) {
    const legend = byId('legend');
    legend.replaceChildren();
    byId('strip').style.setProperty('--layers', layers);
    byId('strip').style.setProperty('--cell', `${Math.max(2, Math.min(9, Math.floor(96 / layers)))}px`);
    const scale = element('li', 'scale');
    const step = Math.ceil(layers / 12);
    for (let layer = 1; layer <= layers; layer += step) {
        const swatch = paint(element('span', '', String(layer)), {layer, drafted: false}, layers);
        swatch.classList.add('swatch');
        scale.append(swatch);
    }
    legend.append(element('li', '', 'exit after layer'), scale, element('li', '', '◆ drafted'));
}

export function timesText(timings) {
    const made = [`${count(timings.predicted_per_second)} tokens/s`, `${percent(timings.layers_skipped)} of layers skipped`];
    if (timings.draft_n) made.push(`${timings.draft_n_accepted} of ${timings.draft_n} drafts accepted`);
    return made.join(' · ');
}

const reasons = {
    end_of_text: 'the model ended the text',
    max_new_tokens: 'max tokens reached',
    context_full: 'the context is full',
    text_filter: 'what follows the cursor would have been repeated',
    policy: 'the policy ended it'
};

export function showTimes({timings, tokens, seen_ms}) {
    byId('speed').textContent = count(timings.predicted_per_second);
    byId('first').textContent = `${(timings.prompt_ms ?? 0).toFixed(1)} ms`;
    byId('skipped').textContent = percent(timings.layers_skipped);
    byId('drafts').textContent = timings.draft_n ? `${timings.draft_n_accepted} of ${timings.draft_n}` : 'none';
    const parts = [`${tokens.length} tokens by ${timings.policy}`];
    if (timings.ended_by) parts.push(reasons[timings.ended_by] ?? timings.ended_by.replaceAll('_', ' '));
    if (seen_ms !== null) parts.push(`this page had the first after ${seen_ms.toFixed(0)}\u00a0ms`);
    byId('ended').textContent = parts.join('; ');
}
