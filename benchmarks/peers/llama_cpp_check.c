/* SPDX-License-Identifier: MIT */
/* llama.cpp's half of agree.py, through the C interface of its prebuilt library, declared here by hand: its parameter
 * structs are only passed on, in room larger than they are. Keys and values are stored in f32.
 *
 *     llama_cpp_check BACKENDS_FOLDER MODEL.gguf
 *
 * Reads "logits FIRST N ID..." and writes the logits after tokens FIRST .. N (from 1), a line each: the first FIRST
 * tokens in one batch, then one by one. Reads "tokens N", then N bytes of text, and writes their ids in a line; special
 * tokens in the text are found, and none is added. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint32_t word[192];
} parameters;
typedef struct {
    int32_t n_tokens;
    int32_t *token;
    float *embd;
    int32_t *pos;
    int32_t *n_seq_id;
    int32_t **seq_id;
    int8_t *logits;
} batch;
extern void ggml_backend_load_all_from_path(const char *);
extern void llama_backend_init(void);
extern parameters llama_model_default_params(void);
extern parameters llama_context_default_params(void);
extern void *llama_model_load_from_file(const char *, parameters);
extern void *llama_init_from_model(void *, parameters);
extern const void *llama_model_get_vocab(const void *);
extern int32_t llama_vocab_n_tokens(const void *);
extern int32_t llama_tokenize(const void *, const char *, int32_t, int32_t *, int32_t, bool, bool);
extern batch llama_batch_get_one(int32_t *, int32_t);
extern int32_t llama_decode(void *, batch);
extern float *llama_get_logits_ith(void *, int32_t);
extern void *llama_get_memory(void *);
extern void llama_memory_clear(void *, bool);
extern void llama_log_set(void (*)(int, const char *, void *), void *);

/* Words of the context's parameters, found by printing the defaults of release v0.5.0. */
enum { n_ctx = 0, n_batch = 1, n_threads = 7, n_threads_batch = 8, flash_attention = 13, type_k = 26, type_v = 27 };
enum { f32 = 0, f16 = 1 };

static void errors_only(int level, const char *text, void *unused) {
    (void)unused;
    if (level == 4) fputs(text, stderr);
}

static int give_logits(void *context, int vocab, int first, int count) {
    int32_t *ids = malloc(sizeof *ids * (size_t)count);
    for (int i = 0; i < count; ++i) {
        if (scanf("%d", &ids[i]) != 1) return 2;
    }
    llama_memory_clear(llama_get_memory(context), true);
    for (int done = 0; done < count;) {
        const int now = done == 0 ? first : 1;
        if (llama_decode(context, llama_batch_get_one(ids + done, now)) != 0) return 1;
        done += now;
        const float *logits = llama_get_logits_ith(context, -1);
        for (int i = 0; i < vocab; ++i) printf("%.9g ", (double)logits[i]);
        puts("");
    }
    free(ids);
    return 0;
}

static int give_tokens(const void *vocab, int size) {
    char *text = malloc((size_t)size + 1);
    int32_t *ids = malloc(sizeof *ids * ((size_t)size + 16));
    if (getchar() != '\n' || fread(text, 1, (size_t)size, stdin) != (size_t)size) return 2;
    const int count = llama_tokenize(vocab, text, size, ids, size + 16, false, true);
    for (int i = 0; i < count; ++i) printf("%d ", ids[i]);
    puts("");
    free(text);
    free(ids);
    return count < 0;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    llama_log_set(errors_only, NULL);
    ggml_backend_load_all_from_path(argv[1]);
    llama_backend_init();
    void *model = llama_model_load_from_file(argv[2], llama_model_default_params());
    if (model == NULL) return 1;
    const void *vocab = llama_model_get_vocab(model);
    parameters p = llama_context_default_params();
    if (p.word[n_threads] != p.word[n_threads_batch] || (int)p.word[flash_attention] != -1 || p.word[type_k] != f16 ||
        p.word[type_v] != f16) {
        fputs("unexpected layout of llama_context_params: another release?\n", stderr);
        return 1;
    }
    p.word[n_ctx] = p.word[n_batch] = 512;
    p.word[n_threads] = p.word[n_threads_batch] = 1;
    p.word[flash_attention] = 0;
    p.word[type_k] = p.word[type_v] = f32;
    void *context = llama_init_from_model(model, p);
    if (context == NULL) return 1;
    char what[16];
    int first = 0, count = 0, bad = 0;
    while (bad == 0 && scanf("%15s", what) == 1) {
        if (strcmp(what, "logits") == 0 && scanf("%d %d", &first, &count) == 2) {
            bad = give_logits(context, llama_vocab_n_tokens(vocab), first, count);
        } else if (strcmp(what, "tokens") == 0 && scanf("%d", &count) == 1) {
            bad = give_tokens(vocab, count);
        } else {
            bad = 2;
        }
        fflush(stdout);
    }
    return bad;
}
