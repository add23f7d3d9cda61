/* SPDX-License-Identifier: MIT */
#ifndef EARLYOUT_C_EARLYOUT_H
#define EARLYOUT_C_EARLYOUT_H

#include <stddef.h>
#include <stdint.h>

/** @file The library for C, and for languages that call C: models, sessions, completions. Link earlyout::c.
 *
 * Texts are UTF-8. Members of options that are 0 or NULL take their defaults. A function that fails returns NULL, or 1,
 * and earlyout_error() says why. No exception leaves a function, and callbacks must not throw or longjmp. */

#ifdef __cplusplus
extern "C" {
#endif

/** Holds a model's weights, tokenizer and fitted exits: immutable, and shared by any number of sessions and threads. */
typedef struct earlyout_model earlyout_model;
/** Holds the state of one sequence, and its policy: used by one thread at a time. */
typedef struct earlyout_session earlyout_session;

/** Returns why the last call of this thread that failed did so: one line, until its next call that fails; "" before. */
const char* earlyout_error(void);
/** Returns the library's version and the instruction set that it was compiled for, "0.1.0 (avx2_fma_f16c)". */
const char* earlyout_version(void);

/** Loads a Hugging Face folder, a GGUF file or a packed file.
 * @param weights how matrices are stored, such as "int8" or "bf16"; NULL: as in the file, without loss
 * @return NULL on failure; else to be freed, after its sessions, by earlyout_model_free() */
earlyout_model* earlyout_model_load(const char* path, const char* weights);
/** Frees a model; NULL is allowed. */
void earlyout_model_free(earlyout_model* model);
/** Returns the number of layers. */
size_t earlyout_model_layers(const earlyout_model* model);

/** Chooses what a session uses. */
typedef struct earlyout_session_options {
    const char* policy; /**< a policy as text, "margin(0.6) @ 2,4; cache=defer"; NULL: full depth */
    const char* draft;  /**< drafters as text, "suffix|depth"; NULL: those of the policy */
    size_t capacity;    /**< most tokens of prompt and completion; 0: the model's context, at most 4096 */
    size_t threads;     /**< its threads, the caller's included; 0: one */
} earlyout_session_options;

/** Opens a session of a model, which must outlive it.
 * @param options NULL: the defaults
 * @return NULL on failure; else to be freed by earlyout_session_free() */
earlyout_session* earlyout_session_open(const earlyout_model* model, const earlyout_session_options* options);
/** Frees a session; NULL is allowed. */
void earlyout_session_free(earlyout_session* session);

/** Describes a token as it is produced. */
typedef struct earlyout_token {
    int32_t id;
    float log_probability;
    const char* text; /**< what became complete with it; no 0 at its end; valid during the callback */
    size_t text_bytes;
    size_t exit_layer; /**< layers that ran for it */
    int drafted;       /**< 1: proposed by a drafter, and verified */
} earlyout_token;

/** Is called for each token, in order. Returns 0 to continue; anything else ends the completion. */
typedef int (*earlyout_token_callback)(const earlyout_token* token, void* user);

/** Chooses how a text is continued. */
typedef struct earlyout_complete_options {
    size_t max_new_tokens; /**< 0: 64 */
    float temperature;     /**< 0: always the most likely token */
    float top_p;           /**< 0: all */
    size_t top_k;          /**< 0: all */
    uint64_t seed;
    const char* const* stop_strings; /**< end before any of these */
    size_t stop_string_count;
} earlyout_complete_options;

/** Holds what came of a completion; valid until the session's next one. */
typedef struct earlyout_completion {
    const char* text; /**< of the new tokens, with a 0 at its end */
    size_t text_bytes;
    const int32_t* ids;
    size_t token_count;
    const char* finish_reason; /**< "max_new_tokens", "end_of_text", "stop_string", "callback", ... */
    double mean_exit_layer;
} earlyout_completion;

/** Continues a text. What the session has of it already, from the completion before, is not computed again.
 * @param prompt   may hold 0
 * @param options  NULL: the defaults
 * @param on_token NULL: none
 * @param user     handed to on_token
 * @param result   NULL: not wanted
 * @return 0, or 1 on failure, which leaves the session as it was */
int earlyout_complete(earlyout_session* session, const char* prompt, size_t prompt_bytes,
                      const earlyout_complete_options* options, earlyout_token_callback on_token, void* user,
                      earlyout_completion* result);

#ifdef __cplusplus
}
#endif

#endif
