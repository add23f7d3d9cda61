// SPDX-License-Identifier: MIT
// What the reader chooses: policy, drafts, temperature, number of tokens.
import {byId, element} from './elements.js';

const number = (id, otherwise) => {
    const field = byId(id);
    return field.value !== '' && field.checkValidity() ? Number(field.value) : otherwise;
};
const isFullDepth = (policy) => /^\s*full-depth/.test(policy);
const margin = () => `margin(${Number(byId('threshold').value).toFixed(2)}) @ ${byId('exit-layers').value.trim()}`;

function draftsOf(policy) {
    const wanted = byId('draft').value;
    if (wanted !== 'on') return wanted;
    return isFullDepth(policy) ? 'auto' : 'suffix|depth';  // a policy's exits draft, and full depth verifies
}

/** Returns the fields of a request that the controls stand for. */
export function chosen(server) {
    const policy = byId('policy').value.trim();
    return {
        exit_policy: policy,
        draft: draftsOf(policy === '' ? server.policy : policy),
        temperature: number('temperature', 0),
        n_predict: number('tokens', 32)
    };
}

function markPreset() {
    const policy = byId('policy').value.trim();
    for (const button of byId('presets').children) {
        const of = button.dataset.policy;
        const pressed = of === 'margin' ? policy.startsWith('margin(') : of === policy;
        button.setAttribute('aria-pressed', String(pressed));
    }
}

function setPolicy(policy) {
    byId('policy').value = policy;
    byId('policy').dispatchEvent(new Event('change'));
}

function showPresets({layers, policy}, middle) {
    const presets = [
        ['server’s own', '', policy],
        ['full depth', 'full-depth', 'every layer for every token'],
        ['margin', 'margin', 'exit where the two likeliest tokens are far apart'],
        [`fixed @ ${middle}`, `fixed @ ${middle}`, 'exit there, whatever the token'],
        ['patience', `patience(1) @ 1-${Math.max(1, layers - 1)}`, 'exit where two exits in a row name the same token']
    ];
    byId('presets').replaceChildren(...presets.map(([name, of, title]) => {
        const button = element('button', '', name);
        button.type = 'button';
        button.title = title;
        button.dataset.policy = of;
        button.addEventListener('click', () => setPolicy(of === 'margin' ? margin() : of));
        return button;
    }));
}

/** Fills in what the model allows. */
export function showControls(server) {
    const at = (share) => Math.max(1, Math.round(server.layers * share));
    byId('exit-layers').value ||= [...new Set([at(0.25), at(0.5), at(0.75)])].join(',');
    byId('policy').placeholder = server.policy;
    byId('policy-note').textContent = `empty: the server's own, ${server.policy}`;
    showPresets(server, at(0.5));
    markPreset();
}

/** @param onChange called when the next completion would differ */
export function watchControls(onChange) {
    byId('controls').addEventListener('submit', (event) => event.preventDefault());
    byId('threshold').addEventListener('input', () => {
        byId('threshold-value').textContent = Number(byId('threshold').value).toFixed(2);
        setPolicy(margin());
    });
    byId('exit-layers').addEventListener('change', () => setPolicy(margin()));
    for (const id of ['policy', 'temperature', 'tokens', 'draft']) {
        byId(id).addEventListener('change', () => {
            markPreset();
            refused('');
            onChange();
        });
    }
}

/** Marks the policy as one that the server refuses; empty: as one that it accepts. */
export function refused(sentence) {
    byId('policy').setAttribute('aria-invalid', String(/^(policy|exit_policy|drafts?)\b/.test(sentence)));
}
