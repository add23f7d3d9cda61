// SPDX-License-Identifier: MIT
// The functions of earlyout/c/earlyout.h, over any_session.
#include <earlyout/c/earlyout.h>
#include <earlyout/core/error.hpp>
#include <earlyout/generate/any_session.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/policy_spec.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include <cstddef>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>

namespace eo = earlyout;

struct earlyout_model {
    eo::io::pretrained<eo::any_model> held;
};

struct earlyout_session {
    eo::any_session held;
    eo::completion last;
};

namespace {

std::string& last_error() {
    thread_local std::string text;
    return text;
}

void note(const char* what) noexcept {
    try {
        last_error() = what;
    } catch (...) {
        last_error().clear();  // no memory even for that
    }
}

/// Returns what `body` does; on failure notes why, and returns `otherwise`.
template <class Result, class Body>
Result guarded(Result otherwise, Body body) noexcept {
    try {
        return body();
    } catch (const std::exception& e) {
        note(e.what());
    } catch (...) {
        note("something else than an error was thrown");
    }
    return otherwise;
}

void require(bool given, const char* name, const char* expected) {
    if (!given) eo::fail(eo::errc::invalid_argument, name, ": expected ", expected, ", found NULL");
}

eo::any_format format_of(const std::filesystem::path& path, const char* weights) {
    if (weights != nullptr) return eo::any_format(weights);
    if (std::filesystem::is_regular_file(path)) return eo::any_format::as_stored();
    return eo::io::lossless_format(*eo::io::open_checkpoint(path));
}

}  // namespace

const char* earlyout_error(void) { return last_error().c_str(); }

const char* earlyout_version(void) {
    static const std::string text = std::string(eo::version) + " (" + eo::instruction_set + ")";
    return text.c_str();
}

earlyout_model* earlyout_model_load(const char* path, const char* weights) {
    return guarded<earlyout_model*>(nullptr, [&] {
        require(path != nullptr, "path", "that of a model");
        const eo::any_format format = format_of(path, weights);
        return new earlyout_model{eo::io::load<eo::any_model>(path, format, format)};
    });
}

void earlyout_model_free(earlyout_model* model) { delete model; }

size_t earlyout_model_layers(const earlyout_model* model) {
    return model == nullptr ? 0 : model->held.network().shape().layers;
}

earlyout_session* earlyout_session_open(const earlyout_model* model, const earlyout_session_options* options) {
    return guarded<earlyout_session*>(nullptr, [&] {
        require(model != nullptr, "model", "one that was loaded");
        const earlyout_session_options o = options == nullptr ? earlyout_session_options{} : *options;
        eo::policy_spec policy;
        if (o.policy != nullptr) policy = eo::policy_spec::parse(o.policy);
        if (o.draft != nullptr) policy.drafts = eo::drafts_spec::parse(o.draft);
        return new earlyout_session{
            eo::make_session(model->held, policy,
                             {.capacity = o.capacity, .threads = o.threads == 0 ? std::size_t{1} : o.threads}),
            {}};
    });
}

void earlyout_session_free(earlyout_session* session) { delete session; }

int earlyout_complete(earlyout_session* session, const char* prompt, size_t prompt_bytes,
                      const earlyout_complete_options* options, earlyout_token_callback on_token, void* user,
                      earlyout_completion* result) {
    return guarded(1, [&] {
        require(session != nullptr, "session", "one that was opened");
        require(prompt != nullptr, "prompt", "a text");
        eo::generate_options o;
        if (options != nullptr) {
            if (options->max_new_tokens != 0) o.max_new_tokens = options->max_new_tokens;
            o.temperature = options->temperature;
            if (options->top_p != 0.0f) o.top_p = options->top_p;
            o.top_k = options->top_k;
            o.seed = options->seed;
            require(options->stop_strings != nullptr || options->stop_string_count == 0, "stop_strings", "an array");
            for (std::size_t i = 0; i < options->stop_string_count; ++i) {
                require(options->stop_strings[i] != nullptr, "stop_strings", "texts");
                o.stop_strings.emplace_back(options->stop_strings[i]);
            }
        }
        const auto each = [&](const eo::token_event& t) {
            if (on_token == nullptr) return eo::flow::proceed;
            const earlyout_token token{.id = t.id,
                                       .log_probability = t.log_probability,
                                       .text = t.piece.data(),
                                       .text_bytes = t.piece.size(),
                                       .exit_layer = t.exit_layer,
                                       .drafted = t.drafted ? 1 : 0};
            return on_token(&token, user) == 0 ? eo::flow::proceed : eo::flow::stop;
        };
        session->last = session->held.complete(std::string_view(prompt, prompt_bytes), o, each);
        if (result != nullptr) {
            const eo::completion& made = session->last;
            *result = {.text = made.text.c_str(),
                       .text_bytes = made.text.size(),
                       .ids = made.ids.data(),
                       .token_count = made.ids.size(),
                       .finish_reason = to_string(made.finish_reason),
                       .mean_exit_layer = made.stats.mean_exit_layer()};
        }
        return 0;
    });
}
