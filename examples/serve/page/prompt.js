// SPDX-License-Identifier: MIT
// The text of a request: what surrounds the cursor, as much as fits.
let charactersPerToken = 2.5;
let start = 0;  // of the prompt; moved seldom, since what was computed for its beginning is used again

/** Learns from a reply or a refusal how long texts are in tokens. */
export function learn(characters, tokens, share = 1) {
    if (characters > 200 && tokens > 0) charactersPerToken = (share * characters) / tokens;
}

function promptBefore(text, server, newTokens) {
    const room = Math.max(64, (server.context - newTokens - 8) * charactersPerToken);
    if (start > text.length) start = 0;
    if (text.length - start > room || start > 0 && text.length < room) {
        const earliest = text.length - room * 0.7;
        start = text.length <= room ? 0 : text.indexOf('\n', earliest) + 1;
        if (start < earliest && text.length > room) start = Math.ceil(earliest);
    }
    return text.slice(start);
}

/** Returns the path and the body of a request for what follows the cursor. */
export function requestFor(before, after, server, settings) {
    const body = {...settings};
    if (body.exit_policy === '') delete body.exit_policy;
    if (body.draft === '') delete body.draft;
    if (server.infill) return {path: 'infill', body: {input_prefix: before, input_suffix: after, ...body}};
    return {path: 'completion', body: {prompt: promptBefore(before, server, settings.n_predict), ...body}};
}
