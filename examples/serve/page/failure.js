// SPDX-License-Identifier: MIT
// The line that says why there is no answer.
import {Refusal} from './api.js';
import {refused} from './controls.js';
import {byId} from './elements.js';

function say(sentence) {
    byId('failure').textContent = sentence;
    byId('failure').hidden = sentence === '';
}

export const answered = () => say('');

/** Shows an error; calls `again` with a delay where trying again may help. */
export function explain(error, again) {
    if (error.name === 'AbortError') return;
    if (!(error instanceof Refusal)) {
        say(`this page failed: ${error.message}`);
        throw error;
    }
    if (error.status === 401) {
        byId('key-form').hidden = false;
        say('the server wants an API key');
        return;
    }
    const passes = error.status === 0 || error.status === 503;
    say(passes ? `${error.message}; trying again …` : error.message);
    refused(error.message);
    if (passes) again(1000);
}
