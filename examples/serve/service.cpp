// SPDX-License-Identifier: MIT
#include "service.hpp"

#include <earlyout/core/error.hpp>

#include <exception>
#include <memory>
#include <utility>

#include "answer.hpp"
#include "api_error.hpp"
#include "requests.hpp"

namespace serve {

namespace {

enum class path_kind {
    page,
    health,
    properties,
    slots,
    metrics,
    models,
    infill,
    completion,
    text_completion,
    chat,
    tokenize,
    detokenize
};

struct known_path {
    std::string_view path;
    std::string_view method;
    path_kind kind;
};

constexpr known_path known_paths[] = {{"/", "GET", path_kind::page},
                                      {"/health", "GET", path_kind::health},
                                      {"/v1/health", "GET", path_kind::health},
                                      {"/props", "GET", path_kind::properties},
                                      {"/slots", "GET", path_kind::slots},
                                      {"/metrics", "GET", path_kind::metrics},
                                      {"/models", "GET", path_kind::models},
                                      {"/v1/models", "GET", path_kind::models},
                                      {"/infill", "POST", path_kind::infill},
                                      {"/completion", "POST", path_kind::completion},
                                      {"/completions", "POST", path_kind::completion},
                                      {"/v1/completions", "POST", path_kind::text_completion},
                                      {"/chat/completions", "POST", path_kind::chat},
                                      {"/v1/chat/completions", "POST", path_kind::chat},
                                      {"/tokenize", "POST", path_kind::tokenize},
                                      {"/detokenize", "POST", path_kind::detokenize}};

/// @throws api_error (404, 405)
path_kind path_of(const request& asked) {
    const std::string path = asked.target.substr(0, asked.target.find('?'));
    for (const known_path& known : known_paths) {
        const bool names_one = known.kind == path_kind::models && path.starts_with(std::string(known.path) + "/");
        if (known.path != path && !names_one) continue;
        if (known.method == asked.method) return known.kind;
        throw api_error(405, "invalid_request_error",
                        path + ": expected " + std::string(known.method) + ", found " + asked.method.substr(0, 20));
    }
    throw api_error(404, "not_found_error", "path: expected one of this server's, found " + path.substr(0, 80));
}

/// Returns whether two keys are equal, in a time that does not tell where they differ.
bool equal_keys(std::string_view a, std::string_view b) {
    unsigned different = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size(); ++i) {
        different |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(i < b.size() ? b[i] : '\0');
    }
    return different == 0;
}

}  // namespace

void service::set_model(model_facts facts, engine& on) {
    auto made = std::make_shared<const loaded_model>(std::move(facts), on);
    const std::lock_guard lock(changing_);
    model_ = std::move(made);
}

void service::failed(std::string sentence) {
    const std::lock_guard lock(changing_);
    failure_ = without_folders(sentence);
}

bool service::loading() const {
    const std::lock_guard lock(changing_);
    return !model_ && failure_.empty();
}

model_pointer service::model() const {
    const std::lock_guard lock(changing_);
    if (!failure_.empty()) throw api_error(500, "server_error", failure_);
    if (!model_) throw api_error(503, "unavailable_error", "Loading model");
    return model_;
}

void service::require_key(const request& asked) const {
    if (options_.api_keys.empty()) return;
    constexpr std::string_view bearer = "Bearer ";
    std::string_view key = asked.api_key;
    if (asked.authorization.starts_with(bearer)) key = std::string_view(asked.authorization).substr(bearer.size());
    bool found = false;
    for (const std::string& one : options_.api_keys) found = equal_keys(one, key) || found;
    if (!found) throw api_error(401, "authentication_error", "Invalid API Key");
}

void service::handle(exchange with) {
    const auto refuse = [&](const api_error& e) { send(*with.reply, e.status(), e.body()); };
    try {
        route(with);
    } catch (const api_error& e) {
        refuse(e);
    } catch (const eo::error& e) {
        // A request's own fault, unless the machine has run out of something.
        const bool exhausted = e.code() == eo::errc::out_of_memory || e.code() == eo::errc::resources;
        refuse(
            {exhausted ? 500 : 400, exhausted ? "server_error" : "invalid_request_error", without_folders(e.what())});
    } catch (const std::exception&) {
        refuse({500, "server_error", "the server could not answer this request"});
    }
}

void service::route(const exchange& with) {
    const path_kind kind = path_of(with.asked);
    if (kind == path_kind::page) {
        if (options_.page.empty()) throw api_error(404, "not_found_error", "/: this server has no page");
        with.reply->send(200, "text/html; charset=utf-8", options_.page);
        return;
    }
    if (kind != path_kind::health) require_key(with.asked);
    const model_pointer current = model();
    switch (kind) {
        case path_kind::page: break;
        case path_kind::health: send(*with.reply, 200, {{"status", "ok"}}); break;
        case path_kind::properties: answer_properties(with, current); break;
        case path_kind::slots: answer_slots(with, current); break;
        case path_kind::metrics: answer_metrics(with, current); break;
        case path_kind::models: answer_models(with, current); break;
        case path_kind::infill: answer_infill(with, current, slots_); break;
        case path_kind::completion: answer_completion(with, current); break;
        case path_kind::text_completion: answer_text_completion(with, current); break;
        case path_kind::chat: answer_chat(with, current); break;
        case path_kind::tokenize: answer_tokenize(with, current); break;
        case path_kind::detokenize: answer_detokenize(with, current); break;
    }
}

}  // namespace serve
