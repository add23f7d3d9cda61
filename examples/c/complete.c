/* SPDX-License-Identifier: MIT
 * complete [MODEL [PROMPT [POLICY]]]: continues a text, and writes the layer at which each token exited behind it. */
#include <earlyout/c/earlyout.h>

#include <stdio.h>
#include <string.h>

static int print(const earlyout_token* token, void* user) {
    (void)user;
    printf("%.*s<%zu>", (int)token->text_bytes, token->text, token->exit_layer);
    return 0;
}

static int fail(void) {
    fprintf(stderr, "%s\n", earlyout_error());
    return 1;
}

int main(int argc, char** argv) {
    const char* const prompt = argc > 2 ? argv[2] : "import os\nimport ";
    earlyout_session_options options = {0};
    earlyout_complete_options how = {0};
    earlyout_completion made;
    int status = 1;
    earlyout_model* const model = earlyout_model_load(argc > 1 ? argv[1] : "examples/model", NULL);
    earlyout_session* session = NULL;
    if (model == NULL) return fail();
    options.policy = argc > 3 ? argv[3] : "margin(0.6) @ 3; cache=defer";
    how.max_new_tokens = 16;
    session = earlyout_session_open(model, &options);
    if (session == NULL || earlyout_complete(session, prompt, strlen(prompt), &how, print, NULL, &made) != 0) {
        status = fail();
    } else {
        printf("\n%s, %zu tokens, mean exit layer %.2f of %zu\n", made.finish_reason, made.token_count,
               made.mean_exit_layer, earlyout_model_layers(model));
        status = 0;
    }
    earlyout_session_free(session);
    earlyout_model_free(model);
    return status;
}
