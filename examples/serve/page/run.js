// SPDX-License-Identifier: MIT
// One completion: its tokens as they arrive, and the server's times.
import {ask, events} from './api.js';

/** Adds an event's tokens. Text that was held back belongs to the token that had it, not to the one it came with. */
export class Tokens {
    all = [];
    #held = [];  // [token, text that has not come yet]

    add(event) {
        const steps = event.steps ?? [{text: event.content, exit_layer: null, drafted: false}];
        steps.forEach((step, i) => {
            const token = {id: event.tokens?.[i], text: '', layer: step.exit_layer, drafted: step.drafted};
            this.all.push(token);
            this.#held.push([token, step.text]);
        });
        let content = event.content;
        while (content !== '' && this.#held.length !== 0) {
            const [token, text] = this.#held[0];
            let same = 0;
            while (same < text.length && text[same] === content[same]) ++same;
            token.text += content.slice(0, same);
            content = content.slice(same);
            if (same < text.length) {
                this.#held[0][1] = text.slice(same);
                break;
            }
            this.#held.shift();
        }
        if (content !== '' && this.all.length !== 0) this.all.at(-1).text += content;
    }

    get text() {
        return this.all.map((token) => token.text).join('');
    }
}

/**
 * Runs a request and returns {tokens, text, timings, seen_ms}.
 * @param onTokens called with all tokens so far whenever there are more
 */
export async function run(path, body, signal, onTokens = () => {}) {
    const begin = performance.now();
    const reply = await ask(path, {...body, stream: true}, signal);
    const tokens = new Tokens();
    let seen_ms = null;
    let last = {};
    for await (const event of events(reply)) {
        if (event.stop) {
            last = event;
            continue;
        }
        seen_ms ??= performance.now() - begin;
        tokens.add(event);
        onTokens(tokens.all);
    }
    return {tokens: tokens.all, text: tokens.text, timings: last.timings ?? {}, last, seen_ms};
}
