// SPDX-License-Identifier: MIT
#include "chat_template.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "api_error.hpp"

namespace serve {

namespace {

std::string without_blanks(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first));
}

/// Composes a prompt of control tokens and plain text.
class chat_writer {
public:
    explicit chat_writer(const loaded_model& model) : model_(model) {
        const auto before = model.words().tokens_before();
        made_.ids.assign(before.begin(), before.end());
        // Some files leave the first token to the template.
        const bool names_bos = model.facts.chat_template->find("bos_token") != std::string::npos;
        if (before.empty() && names_bos && model.facts.bos_id) made_.ids.push_back(*model.facts.bos_id);
    }

    /// @throws api_error for a name that no token has
    chat_writer& control(std::string_view name) {
        flush();
        made_.ids.push_back(find(name));
        return *this;
    }
    /// A marker that is a token in some models, and text in others.
    chat_writer& marker(std::string_view name) {
        const auto id = model_.words().find(name);
        if (!id || !model_.words().is_special(*id)) return text(name);
        flush();
        made_.ids.push_back(*id);
        return *this;
    }
    /// Texts that follow one another are encoded together.
    chat_writer& text(std::string_view more) {
        text_ += more;
        return *this;
    }
    [[nodiscard]] eo::token_id find(std::string_view name) const {
        if (const auto id = model_.words().find(name)) return *id;
        throw not_supported(
            "messages",
            "the model's chat template needs the token " + std::string(name) + ", which its vocabulary lacks", 501);
    }
    [[nodiscard]] chat_prompt finish(std::string_view end_of_turn) {
        flush();
        made_.ends.push_back(find(end_of_turn));
        return std::move(made_);
    }

private:
    void flush() {
        const token_ids ids = encode(model_.words(), text_, text_kind::plain_after);
        made_.ids.insert(made_.ids.end(), ids.begin(), ids.end());
        text_.clear();
    }

    const loaded_model& model_;
    chat_prompt made_;
    std::string text_;
};

/// Puts a system message in front of the user's first, for templates without such turns.
void merge_system(std::vector<chat_message>& messages) {
    if (messages.empty() || messages.front().role != "system") return;
    const std::string system = std::move(messages.front().content);
    messages.erase(messages.begin());
    if (messages.empty() || messages.front().role != "user") {
        messages.insert(messages.begin(), {"user", system});
    } else {
        messages.front().content = system + "\n\n" + messages.front().content;
    }
}

chat_prompt chatml(chat_writer write, const std::vector<chat_message>& messages, bool continues) {
    for (const chat_message& one : messages) {
        write.control("<|im_start|>").text(one.role + "\n" + one.content);
        if (continues && &one == &messages.back()) break;
        write.control("<|im_end|>").text("\n");
    }
    if (!continues) write.control("<|im_start|>").text("assistant\n");
    return write.finish("<|im_end|>");
}

chat_prompt llama3(chat_writer write, const std::vector<chat_message>& messages, bool continues) {
    const auto header = [&](const std::string& role) -> chat_writer& {
        return write.control("<|start_header_id|>").text(role).control("<|end_header_id|>").text("\n\n");
    };
    for (const chat_message& one : messages) {
        header(one.role).text(without_blanks(one.content));
        if (!(continues && &one == &messages.back())) write.control("<|eot_id|>");
    }
    if (!continues) header("assistant");
    return write.finish("<|eot_id|>");
}

chat_prompt mistral(chat_writer write, std::vector<chat_message> messages, bool continues, chat_family family) {
    merge_system(messages);
    const char* const inside = family == chat_family::mistral_tekken ? "" : " ";
    for (const chat_message& one : messages) {
        if (one.role != "assistant") {
            if (family == chat_family::mistral_v1) write.text(" ");
            write.marker("[INST]").text(inside + one.content);
            if (family == chat_family::mistral_v1) write.text(" ");
            write.marker("[/INST]");
        } else {
            write.text(inside + without_blanks(one.content));
            if (!(continues && &one == &messages.back())) write.control("</s>");
        }
    }
    return write.finish("</s>");
}

chat_prompt gemma(chat_writer write, std::vector<chat_message> messages, bool continues) {
    merge_system(messages);
    for (const chat_message& one : messages) {
        const std::string role = one.role == "assistant" ? "model" : "user";
        write.control("<start_of_turn>").text(role + "\n" + without_blanks(one.content));
        if (!(continues && &one == &messages.back())) write.control("<end_of_turn>").text("\n");
    }
    if (!continues) write.control("<start_of_turn>").text("model\n");
    return write.finish("<end_of_turn>");
}

chat_prompt phi3(chat_writer write, const std::vector<chat_message>& messages, bool continues) {
    for (const chat_message& one : messages) {
        write.control("<|" + one.role + "|>").text("\n" + one.content);
        if (!(continues && &one == &messages.back())) write.control("<|end|>").text("\n");
    }
    if (!continues) write.control("<|assistant|>").text("\n");
    return write.finish("<|end|>");
}

std::string content_of(const json& message, const std::string& where) {
    const auto found = message.find("content");
    if (found == message.end()) throw wrong_field(where + ".content", "a text", "none");
    if (found->is_string()) return found->get<std::string>();
    if (!found->is_array()) throw wrong_field(where + ".content", "a string or an array of parts", described(*found));
    std::string made;
    for (const json& part : *found) {
        const bool is_part = part.is_object() && part.contains("type") && part["type"].is_string();
        if (!is_part) throw wrong_field(where + ".content", "parts with a type", described(part));
        if (part["type"] != "text") {
            throw not_supported(where + ".content", "expected parts of the type text, found " +
                                                        part["type"].get<std::string>().substr(0, 40));
        }
        if (!part.contains("text") || !part["text"].is_string()) {
            throw wrong_field(where + ".content", "a string as text", "another value");
        }
        made += part["text"].get_ref<const std::string&>();
    }
    return made;
}

}  // namespace

chat_family chat_family_of(const model_facts& model) {
    if (!model.chat_template) {
        throw not_supported("messages", "the model came without a chat template; /completion takes texts", 501);
    }
    const std::string& source = *model.chat_template;
    const auto has = [&](std::string_view part) { return source.find(part) != std::string::npos; };
    if (has("<|im_start|>") && !has("<|im_sep|>")) return chat_family::chatml;
    if (has("<|start_header_id|>") && has("<|end_header_id|>")) return chat_family::llama3;
    if (has("<start_of_turn>")) return chat_family::gemma;
    if (has("<|assistant|>") && has("<|end|>")) return chat_family::phi3;
    if (has("[INST]") && !has("<<SYS>>") && !has("[SYSTEM_PROMPT]")) {
        // The spaces around the markers tell the generations apart, as in Mistral's guide to its tokenizers.
        if (has(" [INST]")) return chat_family::mistral_v1;
        return has("\"[INST]\"") || has("'[INST]'") ? chat_family::mistral_tekken : chat_family::mistral_v3;
    }
    std::string begins = source.substr(0, 60);
    std::ranges::replace(begins, '\n', ' ');
    throw not_supported("messages",
                        "expected a chat template of the family of ChatML, Llama 3, Mistral, Gemma or Phi-3, found one "
                        "that begins with: " +
                            begins,
                        501);
}

std::vector<chat_message> read_messages(const fields& given) {
    const json* const found = given.find("messages");
    if (found == nullptr) throw wrong_field("messages", "an array of messages", "none");
    if (!found->is_array() || found->empty()) {
        throw wrong_field("messages", "at least one message in an array",
                          found->is_array() ? "none" : described(*found));
    }
    std::vector<chat_message> made;
    for (std::size_t i = 0; i < found->size(); ++i) {
        const json& message = (*found)[i];
        const std::string where = "messages[" + std::to_string(i) + "]";
        if (!message.is_object()) throw wrong_field(where, "an object", described(message));
        std::string role = fields(message, where + ".").text("role").value_or("");
        if (role == "developer") role = "system";
        if (role == "tool" || role == "function") throw not_supported(where + ".role", "tools are not supported");
        if (role != "system" && role != "user" && role != "assistant") {
            throw wrong_field(where + ".role", "system, user or assistant", "'" + role.substr(0, 40) + "'");
        }
        if (const json* const calls = fields(message).find("tool_calls"); calls != nullptr && !calls->empty()) {
            throw not_supported(where + ".tool_calls", "tools are not supported");
        }
        made.push_back({std::move(role), content_of(message, where)});
    }
    return made;
}

chat_prompt render_chat(const loaded_model& model, std::vector<chat_message> messages) {
    const chat_family family = chat_family_of(model.facts);
    const bool continues = messages.back().role == "assistant";
    chat_writer write(model);
    switch (family) {
        case chat_family::chatml: return chatml(std::move(write), messages, continues);
        case chat_family::llama3: return llama3(std::move(write), messages, continues);
        case chat_family::gemma: return gemma(std::move(write), std::move(messages), continues);
        case chat_family::phi3: return phi3(std::move(write), messages, continues);
        case chat_family::mistral_v1:
        case chat_family::mistral_v3:
        case chat_family::mistral_tekken: break;
    }
    return mistral(std::move(write), std::move(messages), continues, family);
}

}  // namespace serve
