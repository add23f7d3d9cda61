/* SPDX-License-Identifier: MIT */
/* llama.cpp's half of the comparison, through the C interface of its prebuilt library, declared here by hand: its
 * parameter structs are only passed on, in room larger than they are.
 *
 *     llama_cpp BACKENDS_FOLDER MODEL.gguf THREADS VOCAB CONTEXT
 *
 * Reads lines "prefill N" and "decode N CACHED" and replies to each with the seconds it took. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
extern batch llama_batch_get_one(int32_t *, int32_t);
extern int32_t llama_decode(void *, batch);
extern void *llama_get_memory(void *);
extern void llama_memory_clear(void *, bool);
extern void llama_synchronize(void *);
extern void llama_log_set(void (*)(int, const char *, void *), void *);

/* Words of the context's parameters, found by printing the defaults of release v0.5.0. */
enum { n_ctx = 0, n_batch = 1, n_ubatch = 2, n_threads = 7, n_threads_batch = 8, flash_attention = 13 };

static void *context;

static void errors_only(int level, const char *text, void *unused) {
    (void)unused;
    if (level == 4) fputs(text, stderr);
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static void run(int32_t *ids, int count) {
    if (llama_decode(context, llama_batch_get_one(ids, count)) != 0) {
        fputs("llama_decode failed\n", stderr);
        exit(1);
    }
    llama_synchronize(context);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    const int threads = atoi(argv[3]), vocab = atoi(argv[4]), most = atoi(argv[5]);
    llama_log_set(errors_only, NULL);
    ggml_backend_load_all_from_path(argv[1]);
    llama_backend_init();
    void *model = llama_model_load_from_file(argv[2], llama_model_default_params());
    if (model == NULL) return 1;
    parameters p = llama_context_default_params();
    if (p.word[n_threads] != p.word[n_threads_batch] || (int)p.word[flash_attention] != -1) {
        fputs("unexpected layout of llama_context_params: another release?\n", stderr);
        return 1;
    }
    p.word[n_ctx] = (uint32_t)most;
    p.word[n_batch] = (uint32_t)most;
    p.word[n_ubatch] = 512;
    p.word[n_threads] = p.word[n_threads_batch] = (uint32_t)threads;
    context = llama_init_from_model(model, p);
    if (context == NULL) return 1;
    int32_t *ids = malloc(sizeof *ids * (size_t)(most + 1));
    char line[100];
    puts("ready");
    fflush(stdout);
    for (int round = 0; fgets(line, sizeof line, stdin) != NULL; ++round) {
        int count = 0, cached = 0;
        for (int i = 0; i <= most; ++i) ids[i] = (i * 7919 + 13 * round) % vocab;
        llama_memory_clear(llama_get_memory(context), true);
        double begun, took;
        if (sscanf(line, "prefill %d", &count) == 1) {
            begun = now();
            run(ids, count);
            took = now() - begun;
        } else if (sscanf(line, "decode %d %d", &count, &cached) == 2) {
            if (cached > 0) run(ids, cached);
            begun = now();
            for (int i = 0; i < count; ++i) run(ids + cached + i, 1);
            took = now() - begun;
        } else {
            return 2;
        }
        printf("%.9f\n", took);
        fflush(stdout);
    }
    return 0;
}
