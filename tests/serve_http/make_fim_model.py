#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""python3 make_fim_model.py FOLDER [LAYERS]: makes a small Llama model of random weights that fills in the middle.

It writes no sense, but letters, lines and now and then the end of the text, the same on every machine. With LAYERS it
is as slow as a large one: all have the same weights.
"""
import array
import json
import math
import os
import random
import sys

LAYERS, WIDTH, HEADS, KV_HEADS, INNER, CONTEXT = 4, 64, 4, 2, 128, 4096
BOS, EOS = 1, 2
SPECIAL = ["<unk>", "<s>", "</s>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|repo_name|>",
           "<|file_sep|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["Ġ Ġ", "ĠĠ ĠĠ", "i n", "r e", "o r", "e r", "t h", "th e", "Ġ the", "d e", "de f", "Ġ =", "s e", "l f",
          "se lf", "( )", "() :", "t u", "r n", "re tu", "retu rn", "Ġ in", "f or", "i f", "n t", "p r", "pr in", "prin t",
          "Ã ©", "Ċ ĠĠĠĠ"]


def byte_letters():
    """Returns the letter that stands for each byte in a byte-level vocabulary."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {byte: chr(byte) for byte in plain}
    letters.update({byte: chr(0x100 + i) for i, byte in enumerate(others)})
    return letters


def vocabulary():
    letters = byte_letters()
    return SPECIAL + [letters[byte] for byte in range(256)] + [merge.replace(" ", "") for merge in MERGES]


def liking(token):
    """Returns what is added to a token's logit: text is likely, control characters and parts of letters are not."""
    if token == "</s>":
        return 1.5
    if token in SPECIAL:
        return -12.0
    is_text = all(0x20 < ord(letter) < 0x7F or letter in "ĠĊ" for letter in token) or token == "Ã©"
    return (3.0 if token[0] in "ĠĊ" else 0.0) if is_text else -8.0


def tensors(tokens, layers):
    draw = random.Random(7)
    made = {}

    def matrix(name, rows, columns, scale, first=None):
        values = [draw.uniform(-scale, scale) for _ in range(rows * columns)]
        if first is not None:
            # The first number of a hidden state is the same for each token and stays so: it carries the likings.
            for row in range(rows):
                values[row * columns] = first(row)
        made[name] = ([rows, columns], array.array("f", values))
        return made[name][1]

    def ones(name):
        made[name] = ([WIDTH], array.array("f", [1.0] * WIDTH))

    matrix("model.embed_tokens.weight", len(tokens), WIDTH, 1.0, lambda row: 4.0)
    kv_width = WIDTH // HEADS * KV_HEADS
    scale = math.sqrt(3.0 / WIDTH)
    for layer in range(min(layers, LAYERS)):
        name = f"model.layers.{layer}."
        ones(name + "input_layernorm.weight")
        ones(name + "post_attention_layernorm.weight")
        matrix(name + "self_attn.q_proj.weight", WIDTH, WIDTH, 2.0 * scale)
        matrix(name + "self_attn.k_proj.weight", kv_width, WIDTH, 2.0 * scale)
        matrix(name + "self_attn.v_proj.weight", kv_width, WIDTH, scale)
        output = matrix(name + "self_attn.o_proj.weight", WIDTH, WIDTH, 0.6 * scale)
        matrix(name + "mlp.gate_proj.weight", INNER, WIDTH, scale)
        matrix(name + "mlp.up_proj.weight", INNER, WIDTH, scale)
        down = matrix(name + "mlp.down_proj.weight", WIDTH, INNER, 0.6 * scale)
        output[:WIDTH] = array.array("f", [0.0] * WIDTH)
        down[:INNER] = array.array("f", [0.0] * INNER)
    for layer in range(LAYERS, layers):
        for name in [name for name in made if name.startswith("model.layers.0.")]:
            made[name.replace(".0.", f".{layer}.")] = made[name]
    ones("model.norm.weight")
    matrix("lm_head.weight", len(tokens), WIDTH, 0.55, lambda row: liking(tokens[row]) / 4.0)
    return made


def little_endian(values):
    copy = array.array("f", values)
    if sys.byteorder == "big":
        copy.byteswap()
    return copy.tobytes()


def write_tensors(path, of):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (shape, values) in of.items():
        size = 4 * len(values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, values in of.values():
            file.write(little_endian(values))


def make(folder, layers=LAYERS):
    """Makes the model in a folder, which is made too."""
    os.makedirs(folder, exist_ok=True)
    tokens = vocabulary()

    def write(name, value):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(value, file)

    write("config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": WIDTH,
        "intermediate_size": INNER, "num_hidden_layers": layers, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "float32", "vocab_size": len(tokens),
        "bos_token_id": BOS, "eos_token_id": EOS})
    write("generation_config.json", {"bos_token_id": BOS, "eos_token_id": EOS})
    write("tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": True, "bos_token": SPECIAL[BOS],
        "eos_token": SPECIAL[EOS],
        "chat_template": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"})
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    write("tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i, token in enumerate(SPECIAL)],
        "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "vocab": {token: i for i, token in enumerate(tokens)}, "merges": MERGES}})
    write_tensors(os.path.join(folder, "model.safetensors"), tensors(tokens, layers))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python3 make_fim_model.py FOLDER [LAYERS]")
    make(sys.argv[1], *map(int, sys.argv[2:]))
