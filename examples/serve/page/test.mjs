// SPDX-License-Identifier: MIT
// node test.mjs URL [FOLDER]: uses the page of a running server in Chromium, as a reader would, and leaves screenshots
// in FOLDER. Exit status 77: playwright-core or Chromium is not installed.
import assert from 'node:assert/strict';
import {existsSync, mkdirSync} from 'node:fs';

const [url, folder] = process.argv.slice(2);
const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
    .find((path) => path && existsSync(path));
let playwright;
try {
    playwright = await import('playwright-core');
} catch {
    console.log('skipped: playwright-core is not installed (npm ci in examples/serve/page)');
    process.exit(77);
}
if (!executablePath) {
    console.log('skipped: Chromium is not installed (CHROMIUM names another place)');
    process.exit(77);
}
if (folder) mkdirSync(folder, {recursive: true});

const browser = await playwright.chromium.launch({executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : []});

/** Opens the page; what it should not do is recorded in `wrong`. */
async function open({width = 1280, height = 900, colorScheme = 'light', prepare = async () => {}} = {}) {
    const context = await browser.newContext({viewport: {width, height}, colorScheme, hasTouch: width < 500});
    const page = await context.newPage();
    const wrong = [];
    page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) wrong.push(message.text());
    });
    page.on('pageerror', (error) => wrong.push(String(error)));
    page.on('request', (request) => {
        const to = request.url();
        if (!to.startsWith(url) && !to.startsWith('data:')) wrong.push(`a request to ${to}`);
    });
    await prepare(page);
    await page.goto(url);
    return {page, wrong, close: () => context.close()};
}

const shoot = (page, name) => folder && page.screenshot({path: `${folder}/${name}.png`, fullPage: true});
const ghost = (page) => page.locator('.ghost').allTextContents().then((all) => all.join('\n'));
const text = (page) => page.evaluate(() => {
    const lines = [];
    for (const line of document.querySelectorAll('.cm-line')) {
        const copy = line.cloneNode(true);
        for (const one of copy.querySelectorAll('.ghost')) one.remove();
        lines.push(copy.textContent);
    }
    return lines.join('\n');
});
/** Waits until a completion is whole: only then may it be compared. */
const whole = (page) => page.locator('#compare:enabled').waitFor();

async function write(page, typed) {
    await page.locator('.cm-content').focus();
    await page.keyboard.press('Control+End');
    await page.keyboard.type(typed);
    await page.waitForTimeout(80);
    await whole(page);
}

async function fits(page) {
    const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(scroll <= client, `the page is ${scroll} wide in a window of ${client}`);
}

const tests = {
    async 'text is suggested, coloured, and accepted'() {
        const {page, wrong, close} = await open();
        await whole(page);
        assert.notEqual(await ghost(page), '');
        await write(page, ' f:\n');
        await shoot(page, 'typed');
        const suggestion = await ghost(page);
        assert.notEqual(suggestion, '');
        const columns = await page.locator('#strip li').count();
        assert.ok(columns > 0);
        assert.match(await page.locator('#strip li').first().getAttribute('aria-label'), /layer \d+ of \d+/);
        assert.ok(await page.locator('.ghost .t[style*="--c"]').count() > 0, 'tokens have colours');

        const before = await text(page);
        await page.keyboard.press('Control+ArrowRight');
        const word = (await text(page)).slice(before.length);
        assert.match(word, /^\s*(\w+|[^\w\s]+)$/);
        assert.notEqual(await ghost(page), '', 'the rest is still suggested');
        await page.keyboard.press('Alt+ArrowRight');
        assert.ok((await text(page)).length > before.length + word.length);
        await page.keyboard.press('Tab');
        const accepted = (await text(page)).slice(before.length);
        assert.equal(accepted.replaceAll('\n', ''), suggestion.replaceAll('\n', ''));

        await whole(page);
        if (await ghost(page) !== '') {
            await page.keyboard.press('Escape');
            assert.equal(await ghost(page), '');
        }
        await page.keyboard.press('Control+z');
        await page.keyboard.press('Tab');  // with nothing to accept it leaves the editor
        assert.deepEqual(wrong, []);
        await close();
    },

    async 'what is typed as suggested is not asked for again'() {
        const {page, wrong, close} = await open();
        await write(page, '\n\ndef main(');
        const suggestion = await ghost(page);
        await page.route('**/completion', () => {});  // no further answer
        await page.keyboard.type(suggestion[0]);
        assert.equal((await ghost(page))[0], suggestion[1]);
        await page.keyboard.type('§');
        assert.equal(await ghost(page), '');
        assert.deepEqual(wrong, []);
        await close();
    },

    async 'the policy changes what is suggested, and full depth is beside it'() {
        const {page, wrong, close} = await open();
        await whole(page);
        const times = () => page.locator('#ended').textContent();
        await page.getByRole('button', {name: 'full depth', exact: true}).click();
        await page.waitForFunction(() => /full-depth|shortlist|draft/.test(document.getElementById('ended').textContent));
        assert.match(await page.locator('#skipped').textContent(), /^0 %/);
        await page.getByRole('button', {name: 'margin', exact: true}).click();
        await page.waitForFunction(() => /margin\(0\.50?\) @/.test(document.getElementById('ended').textContent));
        await page.locator('#threshold').fill('0.1');
        await page.waitForFunction(() => /margin\(0\.10?\) @/.test(document.getElementById('ended').textContent));
        assert.doesNotMatch(await page.locator('#skipped').textContent(), /^0 %/);
        await whole(page);
        await page.locator('#compare').click();
        await page.locator('#comparison').waitFor();
        assert.equal(await page.locator('#comparison article').count(), 2);
        assert.match(await page.locator('#difference').textContent(), /tokens/);
        const same = await page.locator('#comparison pre').allTextContents();
        assert.equal(same[0] === same[1], await page.locator('.apart').count() === 0);
        await shoot(page, 'compared');

        await page.locator('#draft').selectOption('on');
        await page.waitForFunction(() => /draft=/.test(document.getElementById('ended').textContent));
        await shoot(page, 'drafts');
        assert.notEqual(await times(), '');
        assert.deepEqual(wrong, []);

        await page.locator('#policy').fill('nonsense');
        await page.locator('#policy').press('Enter');
        await page.locator('#failure').waitFor();
        assert.match(await page.locator('#failure').textContent(), /nonsense/);
        assert.equal(await page.locator('#policy').getAttribute('aria-invalid'), 'true');
        await shoot(page, 'refused');
        await close();
    },

    async 'more text than the context holds'() {
        const {page, wrong, close} = await open();
        await whole(page);
        await page.evaluate(() => document.querySelector('.cm-content').focus());
        await page.keyboard.insertText('\n' + Array.from({length: 400}, (_, i) => `value_${i} = ${i}`).join('\n'));
        await page.waitForTimeout(80);
        await whole(page);
        assert.deepEqual(wrong.filter((one) => !one.includes('400')), []);  // one refusal tells how much fits
        await close();
    },

    async 'a model with fill-in-the-middle tokens'() {
        const infills = [];
        const {page, wrong, close} = await open({prepare: async (page) => {
            await page.route('**/props', async (route) => {
                const facts = await (await route.fetch()).json();
                await route.fulfill({json: {...facts, fim_order: 'prefix-first'}});
            });
            await page.route('**/infill', async (route) => {
                infills.push(route.request().postDataJSON());
                const step = (content, steps) => `data: ${JSON.stringify({content, steps, tokens: steps.map(() => 1), stop: false})}\n\n`;
                await route.fulfill({contentType: 'text/event-stream', body:
                    step(' one', [{text: ' one\n', exit_layer: 2, drafted: false}]) +
                    step('\n  two', [{text: '  two', exit_layer: 8, drafted: true}]) +
                    `data: ${JSON.stringify({content: '', stop: true, timings: {policy: 'full-depth', predicted_per_second: 10}})}\n\n`});
            });
        }});
        await whole(page);
        assert.equal(await ghost(page), ' one\n  two');
        assert.equal(await page.locator('#strip li').count(), 2);
        assert.equal(await page.locator('#strip .mark').nth(1).textContent(), '◆');
        await page.keyboard.press('Control+Home');
        await page.keyboard.type('x');
        await page.waitForTimeout(80);
        await whole(page);
        assert.equal(infills.at(-1).input_prefix, 'x');
        assert.match(infills.at(-1).input_suffix, /^import/);
        assert.deepEqual(wrong, []);
        await close();
    },

    async 'a model that is loading, and a key that is wanted'() {
        let asked = 0;
        const {page, close} = await open({prepare: (page) => page.route('**/props', (route) => {
            const key = route.request().headers().authorization;
            if (asked++ === 0) return route.fulfill({status: 503, json: {error: {message: 'Loading model'}}});
            if (key !== 'Bearer secret') return route.fulfill({status: 401, json: {error: {message: 'Invalid API Key'}}});
            return route.continue();
        })});
        await page.getByText('Loading model; trying again').waitFor();
        await page.getByLabel('API key').waitFor();
        await shoot(page, 'key');
        await page.getByLabel('API key').fill('secret');
        await page.keyboard.press('Enter');
        await whole(page);
        assert.equal(await page.locator('#failure').isVisible(), false);
        assert.equal(await page.getByLabel('API key').isVisible(), false);
        await close();
    },

    async 'windows and colours'() {
        for (const width of [1280, 390]) {
            for (const colorScheme of ['light', 'dark']) {
                const {page, wrong, close} = await open({width, height: width < 500 ? 844 : 900, colorScheme});
                await whole(page);
                await fits(page);
                await shoot(page, `${width}-${colorScheme}`);
                if (width < 500) {
                    await page.getByRole('button', {name: 'Accept'}).tap();
                    await whole(page);
                }
                await page.locator('#compare').click();
                await page.locator('#comparison').waitFor();
                await fits(page);
                await shoot(page, `${width}-${colorScheme}-compared`);
                assert.deepEqual(wrong, []);
                await close();
            }
        }
    }
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
    try {
        await test();
        console.log(`passed: ${name}`);
    } catch (error) {
        ++failed;
        console.log(`failed: ${name}\n${error.stack}`);
    }
}
await browser.close();
process.exit(failed === 0 ? 0 : 1);
