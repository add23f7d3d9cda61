// SPDX-License-Identifier: MIT
export const byId = (id) => document.getElementById(id);

export function element(name, kind = '', text = '') {
    const made = document.createElement(name);
    if (kind !== '') made.className = kind;
    if (text !== '') made.textContent = text;
    return made;
}

export const count = (number) => Math.round(number ?? 0).toLocaleString('en');
export const percent = (share) => `${Math.round(100 * (share ?? 0))} %`;

/** Calls a function once there was no further call for some milliseconds. */
export function later(work) {
    let timer = 0;
    const call = (delay) => {
        clearTimeout(timer);
        timer = setTimeout(work, delay);
    };
    call.cancel = () => clearTimeout(timer);
    return call;
}
