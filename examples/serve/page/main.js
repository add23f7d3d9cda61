// SPDX-License-Identifier: MIT
// Asks for what follows the cursor whenever the text changes, and shows it as it arrives.
import {askJson, setKey} from './api.js';
import {showComparison} from './compare.js';
import {chosen, showControls, watchControls} from './controls.js';
import {makeEditor} from './editor.js';
import {byId, later} from './elements.js';
import {answered, explain} from './failure.js';
import {acceptAll, acceptWord, dismiss, moreGhost, setGhost, suggested} from './ghost.js';
import {learn, requestFor} from './prompt.js';
import {run} from './run.js';
import {fadeTokens, showLegend, showTimes, showTokens} from './strip.js';

const sample = `import json


def read_config(path):
    with open(path) as`;
const pause = 40;  // ms after a key: a fast typist's next one comes later than that

let server = null;  // what it says of itself
let running = null;  // ends the request that runs
let last = null;  // the last completion that is whole: its request, result, and the line it began in

function abort() {
    running?.abort();
    running = null;
    complete.cancel();
}

function askAgain(delay = pause) {
    if (server === null) return;
    abort();
    last = null;
    byId('compare').disabled = true;
    fadeTokens();
    complete(delay);
}

const complete = later(async () => {
    const {state} = view;
    const at = state.selection.main.head;
    const settings = chosen(server);
    const before = state.sliceDoc(0, at);
    const request = requestFor(before, state.sliceDoc(at), server, settings);
    const mine = new AbortController();
    running = mine;
    let begun = false;
    let arrived = null;
    const show = () => {
        if (mine.signal.aborted || arrived === null) return;
        const tokens = arrived.map((token) => ({...token}));
        arrived = null;
        view.dispatch({effects: begun ? moreGhost.of(tokens) : setGhost.of({tokens, layers: server.layers})});
        begun = true;
        showTokens(tokens, server.layers);
    };
    const onTokens = (tokens) => {
        if (arrived === null) requestAnimationFrame(show);
        arrived = tokens;
    };
    try {
        const result = await run(request.path, request.body, mine.signal, onTokens);
        if (mine.signal.aborted) return;
        arrived = result.tokens;
        show();
        finish(request, result, before);
    } catch (error) {
        if (!mine.signal.aborted) failed(error, request, settings);
    }
});

function finish(request, result, before) {
    running = null;
    answered();
    learn(request.body.prompt?.length ?? 0, result.last.tokens_evaluated);
    showTimes(result);
    last = {request, result, line: before.slice(before.lastIndexOf('\n') + 1)};
    byId('compare').disabled = result.tokens.length === 0;
    byId('spoken').textContent = result.text.trim() === '' ? '' : `Suggestion: ${result.text}`;
}

function failed(error, request, settings) {
    running = null;
    if (error.status === 501 && server.infill) {
        server.infill = false;
        askAgain(0);
        return;
    }
    if (error.more?.n_prompt_tokens && request.body.prompt && learnTooLong(error, request)) {
        askAgain(0);
        return;
    }
    if (suggested(view.state) !== '') view.dispatch({effects: setGhost.of(null)});
    explain(error, askAgain);
}

/** Returns whether a shorter prompt may fit. */
function learnTooLong(error, request) {
    learn(request.body.prompt.length, error.more.n_prompt_tokens, 0.9);
    return request.body.prompt.length > 200;
}

async function compare() {
    if (last === null) return;
    const {request, result, line} = last;
    const drafts = request.body.draft === 'none' ? 'none' : 'auto';
    byId('compare').disabled = true;
    try {
        const body = {...request.body, exit_policy: 'full-depth', draft: drafts};
        const full = await run(request.path, body, undefined);
        showComparison(result, full, server.layers, line);
        byId('comparison').scrollIntoView({block: 'nearest'});
    } catch (error) {
        explain(error, () => {});
    }
    byId('compare').disabled = last === null;
}

function onUpdate(update) {
    const text = suggested(update.state);
    for (const id of ['accept', 'accept-word', 'dismiss']) byId(id).disabled = text === '';
    if (update.docChanged) {
        const accepted = update.transactions.some((one) => one.isUserEvent('input.complete'));
        if (!accepted || text === '') askAgain();
    } else if (update.selectionSet && text === '') {
        abort();  // what was wanted is elsewhere
    }
}

const view = makeEditor(byId('editor'), sample, onUpdate, () => askAgain(0));

async function start() {
    try {
        const facts = await askJson('props');
        const models = await askJson('v1/models');
        const model = models.data[0];
        server = {
            layers: model.meta.n_layer,
            context: facts.default_generation_settings.n_ctx,
            policy: facts.exit_policy,
            infill: facts.fim_order !== null
        };
        byId('key-form').hidden = true;
        answered();
        const middle = server.infill ? '' : '; it continues text, and sees what precedes the cursor';
        byId('model').textContent = `${model.id}: ${server.layers} layers, a context of ${server.context} tokens${middle}`;
        showControls(server);
        showLegend(server.layers);
        askAgain(0);
    } catch (error) {
        explain(error, (delay) => setTimeout(start, delay));
    }
}

function button(id, work) {
    byId(id).addEventListener('click', () => {
        work();
        view.focus();
    });
}
button('accept', () => acceptAll(view));
button('accept-word', () => acceptWord(view));
button('dismiss', () => dismiss(view));
byId('compare').addEventListener('click', compare);
byId('close-comparison').addEventListener('click', () => {
    byId('comparison').hidden = true;
    view.focus();
});
byId('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    setKey(byId('key').value);
    start();
});
watchControls(() => askAgain());
if (matchMedia('(pointer: fine)').matches) view.focus();
start();
