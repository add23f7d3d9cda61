// SPDX-License-Identifier: MIT
#include "completer.hpp"

#include <earlyout/earlyout.hpp>
#include <earlyout/io/hugging_face.hpp>
#include <earlyout/models/gpt2.hpp>

namespace eo = earlyout;

namespace {

class gpt2_completer : public completer {
public:
    explicit gpt2_completer(const std::string& path) : model_(eo::io::load_hugging_face<eo::gpt2<>>(path)) {}

    std::string complete(const std::string& prompt) override {
        eo::session s{model_, eo::exit_policy{eo::exit_plan{eo::after<3>(eo::margin{.threshold = 0.6f})},
                                              eo::shared_head{}, eo::defer{}}};
        const eo::completion made = s.complete(prompt, {.max_new_tokens = 16});
        std::string text = std::string(eo::instruction_set) + ": " + prompt + made.text + "\nids";
        for (const eo::token_id id : made.ids) text += ' ' + std::to_string(id);
        return text;
    }

private:
    decltype(eo::io::load_hugging_face<eo::gpt2<>>("")) model_;
};

}  // namespace

std::unique_ptr<completer> EARLYOUT_VARIANT::make_completer(const std::string& model) {
    return std::make_unique<gpt2_completer>(model);
}
