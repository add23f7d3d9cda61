// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_LISTED_TOKENS_HPP
#define EARLYOUT_IO_DETAIL_LISTED_TOKENS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/detail/json_file.hpp>
#include <earlyout/io/detail/model_path.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// Collects the added tokens of a folder without `tokenizer.json`, by id: the `added_tokens_decoder` of
/// `tokenizer_config.json`, or where that has none `added_tokens.json`. Then come the special tokens that
/// `tokenizer_config.json` names, or where it has no `added_tokens_decoder` also `special_tokens_map.json`, which
/// counts of the two. The default of each class, <|endoftext|>, is special if the vocabulary has it.
class listed_tokens {
public:
    /// @param settings of `tokenizer_config.json`
    /// @return the `added_tokens` of a `tokenizer.json`
    /// @throws error (malformed_file)
    [[nodiscard]] static json read(const std::filesystem::path& folder, const json& settings, const json& vocab) {
        listed_tokens reader;
        const std::string source = (folder / "tokenizer_config.json").string();
        json named = json::object();
        for (const char* key : kinds) {
            if (settings.contains(key)) named[key] = settings.at(key);
        }
        const auto decoder = settings.find("added_tokens_decoder");
        const bool listed = decoder != settings.end() && !decoder->is_null();
        if (const auto map = folder / "special_tokens_map.json"; !listed && detail::exists(map)) {
            named.update(read_json_object(map));
        }
        reader.read_named(named, source);
        if (listed) {
            reader.read_decoder(*decoder, source + ": 'added_tokens_decoder'");
        } else if (const auto added = folder / "added_tokens.json"; detail::exists(added)) {
            reader.read_ids(read_json_object(added), added.string());
        }
        return reader.list(vocab);
    }

private:
    static constexpr const char* kinds[] = {"bos_token", "eos_token", "unk_token",  "sep_token",
                                            "pad_token", "cls_token", "mask_token", "additional_special_tokens"};
    static constexpr const char* usual = "<|endoftext|>";

    /// A token's text, or an object with that and its settings.
    [[nodiscard]] static json token(const json& value, const std::string& where) {
        const auto content = value.is_object() ? value.find("content") : value.end();
        const bool right = value.is_string() || (value.is_object() && content != value.end() && content->is_string());
        if (!right) {
            fail(errc::malformed_file, where, ": expected a token's text or an object with its content, found ",
                 short_reason(value.dump(-1, ' ', true, json::error_handler_t::replace)));
        }
        return value.is_string() ? json{{"content", value}} : value;
    }
    void read_named(const json& named, const std::string& source) {
        for (const char* key : kinds) {
            const auto found = named.find(key);
            if (found == named.end() || found->is_null()) continue;
            const std::string where = source + ": '" + key + "'";
            for (const json& one : found->is_array() ? *found : json::array({*found})) {
                json made = token(one, where);
                made["special"] = true;
                if (!made.contains("normalized")) made["normalized"] = false;
                named_.push_back(std::move(made));
                special_.insert(named_.back().at("content").get<std::string>());
            }
        }
        for (const char* key : {"bos_token", "eos_token", "unk_token"}) {
            if (!named.contains(key)) special_.insert(usual);
        }
    }
    /// {"50256": {"content": "<|endoftext|>", "special": true, ...}}
    void read_decoder(const json& decoder, const std::string& where) {
        if (!decoder.is_object())
            fail(errc::malformed_file, where, ": expected an object, found ", decoder.type_name());
        for (const auto& [key, value] : decoder.items()) {
            std::uint64_t id = 0;
            const auto [end, problem] = std::from_chars(key.data(), key.data() + key.size(), id);
            if (problem != std::errc() || end != key.data() + key.size()) {
                fail(errc::malformed_file, where, ": expected ids, found '", short_reason(key), "'");
            }
            json made = token(value, std::string(where).append(": '").append(key).append("'"));
            if (special_.contains(made.at("content").get<std::string>())) made["special"] = true;
            if (!made.contains("normalized"))
                made["normalized"] = !made.contains("special") || made["special"] == false;
            by_id_.emplace(id, std::move(made));
        }
    }
    /// {"<|pad|>": 50257}
    void read_ids(const json& ids, const std::string& source) {
        for (const auto& [content, id] : ids.items()) {
            if (!id.is_number_unsigned()) {
                fail(errc::malformed_file, source, ": '", short_reason(content), "': expected an id, found ",
                     short_reason(id.dump(-1, ' ', true, json::error_handler_t::replace)));
            }
            const bool is_special = special_.contains(content);
            by_id_.emplace(id.get<std::uint64_t>(),
                           json{{"content", content}, {"special", is_special}, {"normalized", !is_special}});
        }
    }
    [[nodiscard]] json list(const json& vocab) const {
        json made = json::array();
        std::set<std::string> seen;
        const auto add = [&](json one, std::uint64_t id) {
            if (!seen.insert(one.at("content").get<std::string>()).second) return;
            one["id"] = id;
            made.push_back(std::move(one));
        };
        constexpr std::uint64_t largest = std::numeric_limits<std::uint32_t>::max();
        for (const auto& [id, one] : by_id_) add(one, std::min(id, largest));
        for (const json& one : named_) add(one, 0);  // that of the vocabulary, or the next
        if (special_.contains(usual) && vocab.contains(usual)) {
            add({{"content", usual}, {"special", true}, {"normalized", false}}, 0);
        }
        return made;
    }

    std::vector<json> named_;
    std::set<std::string, std::less<>> special_;
    std::multimap<std::uint64_t, json> by_id_;
};

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
