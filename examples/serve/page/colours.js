// SPDX-License-Identifier: MIT
// The colours of exit layers, as the earlyout command has them in terminals: of the 256-colour palette, about equally
// bright.
const ramp = [64, 28, 29, 30, 31, 32, 26, 62, 98];
const levels = [0, 95, 135, 175, 215, 255];

export function layerColour(layer, layers) {
    const steps = Math.max(layers, 2) - 1;
    const below = Math.min(Math.max(layer, 1), steps + 1) - 1;
    const at = ramp[Math.floor((below * (ramp.length - 1) + Math.floor(steps / 2)) / steps)] - 16;
    return [levels[Math.floor(at / 36)], levels[Math.floor(at / 6) % 6], levels[at % 6]];
}

/** Colours an element by a token's exit layer: the earlier, the stronger. */
export function paint(element, token, layers) {
    element.classList.add('t');
    if (token.drafted) element.classList.add('drafted');
    if (token.layer === null || layers === 0) return element;
    const early = layers < 2 ? 0 : 1 - (token.layer - 1) / (layers - 1);
    element.style.setProperty('--c', layerColour(token.layer, layers).join(' '));
    element.style.setProperty('--early', early.toFixed(3));
    return element;
}

/** A sentence about a token. */
export function describe(token, layers) {
    const text = JSON.stringify(token.text);
    if (token.layer === null) return text;
    return `${text}: layer ${token.layer} of ${layers}${token.drafted ? ', drafted' : ''}`;
}
