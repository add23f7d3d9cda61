// SPDX-License-Identifier: MIT
// Requests to the server, and the events of its streams.
let key = '';

export function setKey(text) {
    key = text.trim();
}

/** What the server, or the way to it, says against a request; status 0: there was no answer. */
export class Refusal extends Error {
    constructor(status, message, more = {}) {
        super(message);
        this.status = status;
        this.more = more;
    }
}

export async function ask(path, body, signal) {
    const headers = key === '' ? {} : {Authorization: `Bearer ${key}`};
    const options = {headers, signal};
    if (body !== undefined) {
        headers['Content-Type'] = 'application/json';
        options.method = 'POST';
        options.body = JSON.stringify(body);
    }
    let reply;
    try {
        reply = await fetch(path, options);
    } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new Refusal(0, 'the server does not answer');
    }
    if (reply.ok) return reply;
    let error = {};
    try {
        error = (await reply.json()).error ?? {};
    } catch {
        // Not JSON, from something in between.
    }
    throw new Refusal(reply.status, error.message ?? `status ${reply.status}`, error);
}

export async function askJson(path, body, signal) {
    return (await ask(path, body, signal)).json();
}

/** Yields the objects of a stream of events as they arrive. */
export async function* events(reply) {
    const decoder = new TextDecoder();
    const reader = reply.body.getReader();
    let rest = '';
    for (;;) {
        let chunk;
        try {
            chunk = await reader.read();
        } catch (error) {
            if (error.name === 'AbortError') throw error;
            throw new Refusal(0, 'the server ended its answer early');
        }
        rest += decoder.decode(chunk.value ?? new Uint8Array(), {stream: !chunk.done});
        const blocks = rest.split('\n\n');
        rest = blocks.pop();
        for (const block of blocks) {
            const line = block.split('\n').find((one) => one.startsWith('data: '));
            if (line === undefined || line === 'data: [DONE]') continue;
            const event = JSON.parse(line.slice(6));
            if (event.error) throw new Refusal(event.error.code ?? 500, event.error.message, event.error);
            yield event;
        }
        if (chunk.done) return;
    }
}
