// SPDX-License-Identifier: MIT
// Makes the data beside this file, with ids and decoded text from Hugging Face's library:
//
//     npm install tokenizers@0.23.2
//     node make_kinds.mjs NODE_MODULES
//
// kinds.json    small tokenizer files, each with one kind of step, model or list that those of the well-known families
//               in families.json lack: [{name, file (a whole tokenizer.json), cases: [{text, ids, decoded}]}]
// folders.json  folders without tokenizer.json: [{name, files: {NAME: content}, cases}]. The library reads what
//               transformers makes of them: its class, and the list of added tokens, are written here by hand
// patterns.json the patterns of models' own files that GGUF files have a name for: [{name, cases: [{text, words (their
//               numbers of bytes)}]}]
//
// Texts are in base64.
import { writeFileSync } from 'fs';
import { createRequire } from 'module';
import { dirname, join, resolve } from 'path';
import { fileURLToPath } from 'url';

const here = dirname(fileURLToPath(import.meta.url));
const { Tokenizer } = createRequire(join(resolve(process.argv[2]), 'any.js'))('tokenizers');

// ---- vocabularies

const pieces = (list) => Object.fromEntries([...new Set(list)].map((piece, id) => [piece, id]));
/** Merges that make each word from left to right. */
const mergesOf = (words) => [...new Set(words.flatMap((word) => {
  const letters = [...word];
  return letters.slice(1).map((letter, i) => letters.slice(0, i + 1).join('') + ' ' + letter);
}))];
const characters = [...'abcdefghijklmnopqrstuvwxyzT01239_.,:()=-▁éЖш漢字かなカナー한글１'];
const merges = mergesOf(['the', 'return', 'const', 'size', '▁the', '▁a', '▁▁', '12', '123', 'カナ', '漢字', '한글', '::', '▁(', ',▁']);
const vocab = pieces(['<unk>', ...characters, ...merges.map((m) => m.replace(' ', ''))]);

const printable = (b) => (b > 32 && b < 127) || (b > 160 && b !== 173);
const letters = [...Array(256).keys()].filter(printable).map((b) => String.fromCharCode(b));
for (let c = 256; letters.length < 256; ++c) letters.push(String.fromCharCode(c));
const byteMerges = mergesOf(['the', 'return', 'Ġthe', 'ĠĠ', '12']);
const byteVocab = pieces([...letters, ...byteMerges.map((m) => m.replace(' ', ''))]);
const fewBytes = pieces([...Object.keys(byteVocab).filter((piece) => !['z', 'Ċ', 'Ã'].includes(piece)), '?']);

// ---- files

const token = (content, id, options = {}) =>
  ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...options });
const steps = (...list) => ({ type: 'Sequence', pretokenizers: list });
const split = (expression, behavior = 'Isolated', invert = false) => ({ type: 'Split', pattern: { Regex: expression }, behavior, invert });
const metaspace = (options) => ({ type: 'Metaspace', replacement: '▁', ...options });
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
const model = { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab, merges };
const file = (change) =>
  ({ version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...change, model: { ...model, ...change.model } });
const bytes = (change) =>
  file({ pre_tokenizer: byteLevel, decoder: byteLevel, ...change, model: { unk_token: null, vocab: byteVocab, merges: byteMerges, ...change.model } });
const words = { type: 'WordLevel', unk_token: '[UNK]', vocab: pieces(['[UNK]', '[PAD]', 'the', 'return', 'a', '(', ')', 'size', '12', 'Ж', '漢字', ',', '::']) };

const kinds = [
  { name: 'no decoder', file: file({}) },
  { name: 'Whitespace', file: file({ pre_tokenizer: { type: 'Whitespace' } }) },
  { name: 'Whitespace, unknown characters fused', file: file({ pre_tokenizer: { type: 'Whitespace' }, model: { fuse_unk: true } }) },
  { name: 'WhitespaceSplit', file: file({ pre_tokenizer: { type: 'WhitespaceSplit' } }) },
  { name: 'Whitespace, ByteLevel', file: bytes({ pre_tokenizer: steps({ type: 'Whitespace' }, byteLevel) }) },
  { name: 'UnicodeScripts', file: file({ pre_tokenizer: { type: 'UnicodeScripts' } }) },
  { name: 'UnicodeScripts, ByteLevel', file: bytes({ pre_tokenizer: steps({ type: 'UnicodeScripts' }, byteLevel) }) },
  { name: 'Whitespace, UnicodeScripts', file: file({ pre_tokenizer: steps({ type: 'Whitespace' }, { type: 'UnicodeScripts' }), added_tokens: [token('<s>', 999)] }) },
  ...[['first', false], ['first', true], ['always', false], ['always', true], ['never', true]].map(([prepend_scheme, cut]) => ({
    name: `Metaspace ${prepend_scheme}${cut ? ', split' : ''}, Split, Digits`,
    file: file({
      added_tokens: [token('<s>', 999)],
      pre_tokenizer: steps(metaspace({ prepend_scheme, split: cut }), split('[▁ab]', 'MergedWithNext'), { type: 'Digits', individual_digits: true }),
      decoder: metaspace({ prepend_scheme, split: cut }),
    }),
  })),
  { name: 'Split, Metaspace, Punctuation', file: file({ pre_tokenizer: steps(split('e'), metaspace({ prepend_scheme: 'first', split: true }), { type: 'Punctuation', behavior: 'Contiguous' }), decoder: metaspace({ prepend_scheme: 'first', split: true }) }) },
  { name: 'UnicodeScripts, Metaspace', file: file({ pre_tokenizer: steps({ type: 'UnicodeScripts' }, metaspace({ prepend_scheme: 'always', split: true })), decoder: metaspace({ prepend_scheme: 'always', split: true }) }) },
  { name: 'WordLevel', file: { ...file({ pre_tokenizer: { type: 'Whitespace' }, added_tokens: [token('[UNK]', 0), token('[PAD]', 1), token('<s>', 13)] }), model: words } },
  { name: 'WordLevel, whole text', file: { ...file({ added_tokens: [token('[UNK]', 0)] }), model: words } },
  { name: 'byte_fallback beside a whole alphabet', file: bytes({ model: { byte_fallback: true } }) },
  { name: 'byte_fallback beside an alphabet with gaps', file: bytes({ model: { byte_fallback: true, vocab: fewBytes } }) },
  { name: 'byte_fallback beside an alphabet with gaps, unknown token', file: bytes({ model: { byte_fallback: true, vocab: fewBytes, unk_token: '?', fuse_unk: true } }) },
  { name: 'added tokens with gaps', file: bytes({ added_tokens: [token('<a>', 300), token('<b>', 310), token('<c>', 311)] }) },
  { name: 'added tokens out of order', file: bytes({ added_tokens: [token('<b>', 310), token('<c>', 300), token('', 299), token('<a>', 301)] }) },
  { name: 'added tokens in the vocabulary', file: bytes({ added_tokens: [token('the', 7, { special: false }), token('<a>', 3), token('Z', 300), token('<b>', 3)] }) },
  {
    name: 'added tokens twice',
    file: bytes({ added_tokens: [token('<a>', 300), token('<a>', 300), token('<b>', 301), token('<b>', 302, { special: false, lstrip: true }), token('<c>', 301, { special: false, rstrip: true }), token('<c>', 301), token('<d>', 301)] }),
  },
  { name: 'added tokens beside a vocabulary with gaps', file: bytes({ added_tokens: [token('<a>', 999), token('<b>', 998)], model: { vocab: { ...byteVocab, the: 400 } } }) },
];

// ---- texts

let state = 24680;
const random = (below) => {  // xorshift
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
};
const bits = ['a', 'b', 'the', 'The', ' the', 'return ', 'const', 'size', ' ', ' ', '  ', '\n', '\t', '1', '12', '123', '.', ', ', '(', ')', '::', '=', '_', '-', 'é', 'e\u0301', 'Ж', 'ш', '漢字', 'かな', 'カナ', 'カー', 'ー', '한글',
  '１', '😀', '\u200d', '\u00a0', '\u3000', '、', 'ⓐ', 'z', '▁', '<s>', '<a>', '<b>', '<c>', '<d>', '[UNK]', '[PAD]', '\u0378', '\u{1F130}', 'ש', 'ع', 'नि', 'ไท', 'Ω'];
const written = ['', ' ', 'a', ' a', '  a  ', ' the size (a, 12)', 'a,b', 'return the::size', '漢字かなカナー한글', 'カーЖ1 a', '\u0378 a', 'the the', ' , ', '<s>', 'a<s> a', '<a><b><c><d>', 'x <b> <c> y', '12 345', 'the'];
const texts = [...written, ...Array.from({ length: 40 }, () => Array.from({ length: 1 + random(12) }, () => bits[random(bits.length)]).join(''))];
const encoded = (text) => Buffer.from(text, 'utf8').toString('base64');

const write = async (path, list) => {
  const out = [];
  for (const { reference, ...rest } of list) {
    const tokenizer = Tokenizer.fromString(JSON.stringify(reference ?? rest.file));
    const cases = [];
    for (const text of texts) {
      const ids = (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds();
      cases.push({ text: encoded(text), ids, decoded: encoded(await tokenizer.decode(ids, false)) });
    }
    out.push(`${JSON.stringify(rest).slice(0, -1)},"cases":[\n${cases.map((x) => JSON.stringify(x)).join(',\n')}\n]}`);
  }
  writeFileSync(join(here, path), `[\n${out.join(',\n')}\n]\n`);
};
await write('kinds.json', kinds);

// ---- folders without tokenizer.json

const end = '<|endoftext|>';
const withEnd = { ...byteVocab, [end]: Object.keys(byteVocab).length };
const next = Object.keys(withEnd).length;
const lines = '#version: 0.2\n' + byteMerges.join('\n') + '\n';
const qwen2 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const gpt2Class = (added_tokens, add_prefix_space = false) => ({ pre_tokenizer: { ...byteLevel, add_prefix_space }, added_tokens });
const qwen2Class = (added_tokens) =>
  ({ normalizer: { type: 'NFC' }, pre_tokenizer: steps(split(qwen2), { ...byteLevel, use_regex: false }), added_tokens });
const folder = (name, files, change, ownVocab = withEnd) => ({
  name, files: { 'vocab.json': ownVocab, 'merges.txt': lines, ...files }, reference: bytes({ ...change, model: { vocab: ownVocab } }),
});
texts.push('the<|endoftext|> the', "I'M 12 don't", 'e\u0301 <|im_start|>', 'a <pad> b');
await write('folders.json', [
  folder('GPT-2: the vocabulary and the merges alone', { 'config.json': { model_type: 'gpt2' } }, gpt2Class([token(end, next - 1)])),
  folder('GPT-2 with a space before each text',
    { 'config.json': {}, 'tokenizer_config.json': { tokenizer_class: 'GPT2TokenizerFast', add_prefix_space: true, errors: 'replace', eos_token: end, pad_token: '<pad>' } },
    gpt2Class([token('<pad>', next), token(end, next - 1)], true)),
  folder('CodeGen: added_tokens.json', {
    'config.json': { model_type: 'codegen' },
    'added_tokens.json': { '<d>': next + 2, '  ': next, '<a>': next + 1, [end]: next - 1 },
    'special_tokens_map.json': { eos_token: end, bos_token: { content: end, lstrip: false, rstrip: false, single_word: false, normalized: true }, unk_token: end, additional_special_tokens: ['<a>', { content: '<b>', rstrip: true, lstrip: false, single_word: false, normalized: false }] },
    'tokenizer_config.json': { tokenizer_class: 'CodeGenTokenizer', add_prefix_space: false },
  }, gpt2Class([token(end, 0), token('  ', 0, { special: false, normalized: true }), token('<a>', 0), token('<d>', 0, { special: false, normalized: true }), token('<b>', 0, { rstrip: true })])),
  folder('Qwen2: added_tokens_decoder', {
    'config.json': { model_type: 'qwen2' },
    'tokenizer_config.json': {
      tokenizer_class: 'Qwen2Tokenizer', bos_token: null, eos_token: '<|im_end|>', pad_token: end, unk_token: null, additional_special_tokens: ['<|im_start|>', '<|im_end|>'],
      added_tokens_decoder: Object.fromEntries([[next - 2, end], [next - 1, '<|im_start|>'], [next, '<|im_end|>'], [next + 1, '<a>'], [next + 2, 'Ω']]
        .map(([id, content]) => [id, { content, lstrip: content === '<a>', normalized: content === 'Ω', rstrip: false, single_word: false, special: !['<a>', 'Ω'].includes(content) }])),
    },
    'special_tokens_map.json': { pad_token: '<not read>' },
  }, qwen2Class([token(end, 0), token('<|im_start|>', 0), token('<|im_end|>', 0), token('<a>', 0, { special: false, lstrip: true }), token('Ω', 0, { special: false, normalized: true })]), byteVocab),
  folder('Qwen3: the model type alone', { 'config.json': { model_type: 'qwen3', tokenizer_class: null } }, qwen2Class([token(end, next - 1)])),
  folder("the configuration's class, lines of another system", { 'config.json': { model_type: 'llama', tokenizer_class: 'Qwen2Tokenizer' }, 'merges.txt': byteMerges.join('\r\n') + '\r\n\r\n' },
    qwen2Class([token(end, next - 1)])),
]);

// ---- patterns that GGUF files name

const contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const cased = (contractions, digits) =>
  `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+${contractions}|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*${contractions}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const gpt4o = cased(contraction + '?', '\\p{N}{1,3}');
const latin = 'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃';
const patterns = {
  'gpt-2': [byteLevel],
  starcoder: [{ type: 'Digits', individual_digits: true }, byteLevel],
  'llama-bpe': [split(qwen2.replace('\\p{N}|', '\\p{N}{1,3}|'))],
  qwen2: [split(qwen2)],
  qwen35: [split(`${contraction}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`)],
  tekken: [split(cased('', '\\p{N}'))],
  'gpt-4o': [split(gpt4o)],
  'deepseek-coder': [split('[\r\n]'), split('\\s?\\p{L}+'), split('\\s?\\p{P}+'), split('[一-龥ࠀ-一가-퟿]+'), { type: 'Digits', individual_digits: true }],
  'deepseek-llm': [split('[\r\n]'), split(`\\s?[${latin}]+`), split('\\s?[!-/:-~！-／：-～‘-‟　-。]+'), split('\\s+$'), split('[一-龥ࠀ-一가-퟿]+'), { type: 'Digits', individual_digits: false }],
  'deepseek-v3': [split('\\p{N}{1,3}'), split('[一-龥぀-ゟ゠-ヿ]+'),
    split('[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+')],
  'seed-coder': [split(`${contraction}|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+`)],
  minicpm5: [split('\\p{N}{1,3}'), split(qwen2.replace('\\p{N}|', '\\p{N}+|'))],
  ufakzeka: [split(qwen2.replace(contraction + '|', ''))],
  'jais-2': [split(qwen2.replace('\\p{N}|', '\\p{N}{1,3}|').replace('\\s+(?!\\S)|\\s+', '') + [512, 256, 128, 64, 32, 16, 8, 4].map((n) => `\\s{${n}}(?!\\S)|`).join('') + '\\s{1,2}(?!\\S)|\\s{1}')],
  bailingmoe: [split("'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+")],
  tiny_aya: [split('\\d{1,3}(?=(?:\\d{3})*\\b)'), split(gpt4o)],
  youtu: [split('[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+'), split(cased(contraction + '?', '\\p{N}'))],
  bloom: [split(' ?[^(\\s|.,!?…。，、।۔،)]+')],
  viking: [split(' ?[^(\\s|.,!?…。，、।۔،)]+'), { type: 'Digits', individual_digits: true }],
};
bits.push("'s", "'LL", "I'm", 'camelCase', 'HTMLParser', 'ÉCOLE', 'ǅ', 'ʰ', '1234567', '١٢٣', '²', '\r\n', '\n\n', '    ', ' /', '//\n', '#$%', '“”', '…', '，', '。', '！', 'ㄱ', 'ㄅ', '{', '}', '[', '\\', '~', '|', '`', 'е\u0301');
const all = [];
const samples = [...written, ...Array.from({ length: 60 }, () => Array.from({ length: 1 + random(14) }, () => bits[random(bits.length)]).join(''))];
for (const [name, list] of Object.entries(patterns)) {
  const last = list.at(-1).type === 'ByteLevel' ? [] : [{ ...byteLevel, use_regex: false }];
  const tokenizer = Tokenizer.fromString(JSON.stringify(bytes({ pre_tokenizer: steps(...list, ...last), model: { merges: [] } })));
  const cases = [];
  for (const text of samples) {
    const words = [];  // each byte is a token, of a word
    for (const word of (await tokenizer.encode(text, null, { addSpecialTokens: false })).getWordIds()) words[word] = (words[word] ?? 0) + 1;
    cases.push({ text: encoded(text), words });
  }
  all.push(`{"name":${JSON.stringify(name)},"cases":[\n${cases.map((x) => JSON.stringify(x)).join(',\n')}\n]}`);
}
writeFileSync(join(here, 'patterns.json'), `[\n${all.join(',\n')}\n]\n`);
