// SPDX-License-Identifier: MIT
// node build.mjs [--check]: bundles this folder into ../page.html, one file that needs nothing else; or only checks that
// it is up to date.
import {createHash} from 'node:crypto';
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {build, transform} from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const read = (name) => readFileSync(here + name, 'utf8');

const bundle = await build({
    entryPoints: [`${here}main.js`],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    metafile: true,
    write: false,
    absWorkingDir: here
});

/** Returns the licences of the packages that are in the bundle, each text once, after the lines of copyright. */
function licences() {
    const names = new Map();  // of packages, by licence text
    const packages = new Set(Object.keys(bundle.metafile.inputs).map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]));
    packages.delete(undefined);
    for (const name of [...packages].sort()) {
        const folder = `node_modules/${name}/`;
        const file = readdirSync(here + folder).find((one) => /^licen[cs]e/i.test(one));
        const {version} = JSON.parse(read(`${folder}package.json`));
        const lines = read(folder + file).trim().split('\n');
        const copyright = lines.filter((line) => /^copyright /i.test(line)).join('\n');
        const text = lines.filter((line) => !/^copyright /i.test(line)).join('\n').replace(/\n{3,}/g, '\n\n').trim();
        names.set(text, [...(names.get(text) ?? []), `${name} ${version}\n${copyright}`]);
    }
    return [...names].map(([text, of]) => `${of.join('\n')}\n\n${text}`).join('\n\n====\n\n');
}

const script = bundle.outputFiles[0].text.trim().replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
const style = (await transform(read('page.css'), {loader: 'css', minify: true})).code.trim();
const hash = createHash('sha256').update(script).digest('base64');
const icon = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">' +
    '<path fill="#5f8700" d="M1 11h3v4H1z"/><path fill="#008787" d="M5 7h3v8H5z"/><path fill="#0087d7" d="M9 9h3v6H9z"/>' +
    '<path fill="#875fd7" d="M13 1h3v14h-3z"/></svg>');
const policy = "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; " +
    `script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
const notice = `<!-- Contains these packages:\n\n${licences().replaceAll('--', '- -')}\n-->\n`;

const parts = {policy, icon, style, script};
const page = read('index.html').replace(/\{(policy|icon|style|script)\}/g, (_, name) => parts[name]) + notice;
if (!process.argv.includes('--check')) {
    writeFileSync(`${here}../page.html`, page);
    console.log(`page.html: ${page.length} characters`);
} else if (read('../page.html') !== page) {
    console.error('page.html: expected what build.mjs makes of these sources, found another');
    process.exitCode = 1;
}
