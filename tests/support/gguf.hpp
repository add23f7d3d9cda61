// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_GGUF_HPP
#define EARLYOUT_TESTS_SUPPORT_GGUF_HPP

#include <earlyout/core/dtype.hpp>
#include <earlyout/io/gguf_file.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

template <class Number>
std::string raw(Number number) {
    std::string made(sizeof number, '\0');
    std::memcpy(made.data(), &number, sizeof number);
    return made;
}
inline std::string raw_text(std::string_view text) { return raw<std::uint64_t>(text.size()).append(text); }
template <class Number>
std::string raw_all(const std::vector<Number>& numbers) {
    return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
}

/// Builds a GGUF file, a valid one or, by the raw functions, one with any damage.
class gguf_builder {
public:
    using type = earlyout::io::gguf_type;

    std::uint32_t version = 3;
    std::size_t alignment = 32;

    gguf_builder& key(std::string_view name, type t, std::string_view value) {
        keys_ += raw_text(name) + raw(t) + std::string(value);
        ++key_count_;
        return *this;
    }
    gguf_builder& set(std::string_view name, std::uint32_t v) { return key(name, type::u32, raw(v)); }
    gguf_builder& set(std::string_view name, float v) { return key(name, type::f32, raw(v)); }
    gguf_builder& set(std::string_view name, bool v) {
        return key(name, type::boolean, v ? "\1" : std::string(1, '\0'));
    }
    gguf_builder& set(std::string_view name, const char* v) { return key(name, type::string, raw_text(v)); }
    gguf_builder& array(std::string_view name, type t, std::uint64_t count, std::string_view elements) {
        return key(name, type::array, raw(t) + raw(count) + std::string(elements));
    }
    gguf_builder& set(std::string_view name, const std::vector<std::string>& v) {
        std::string all;
        for (const std::string& text : v) all += raw_text(text);
        return array(name, type::string, v.size(), all);
    }
    gguf_builder& set(std::string_view name, const std::vector<float>& v) {
        return array(name, type::f32, v.size(), raw_all(v));
    }
    gguf_builder& set(std::string_view name, const std::vector<std::int32_t>& v) {
        return array(name, type::i32, v.size(), raw_all(v));
    }

    /// @param shape outermost first
    gguf_builder& tensor(std::string_view name, const std::vector<std::size_t>& shape, std::uint32_t kind,
                         std::string_view bytes) {
        return tensor_at(name, shape, kind, data_.size(), bytes);
    }
    gguf_builder& tensor_at(std::string_view name, const std::vector<std::size_t>& shape, std::uint32_t kind,
                            std::uint64_t offset, std::string_view bytes) {
        infos_ += raw_text(name) + raw(static_cast<std::uint32_t>(shape.size()));
        for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent) infos_ += raw<std::uint64_t>(*extent);
        infos_ += raw(kind) + raw(offset);
        ++tensor_count_;
        data_ += bytes;
        data_.resize((data_.size() + alignment - 1) / alignment * alignment, '\0');
        return *this;
    }
    gguf_builder& floats(std::string_view name, const std::vector<std::size_t>& shape, const std::vector<float>& v) {
        return tensor(name, shape, 0, raw_all(v));
    }

    [[nodiscard]] std::string header() const {
        return "GGUF" + raw(version) + raw(tensor_count_) + raw(key_count_) + keys_ + infos_;
    }
    [[nodiscard]] std::string bytes() const {
        std::string made = header();
        made.resize((made.size() + alignment - 1) / alignment * alignment, '\0');
        return made + data_;
    }

private:
    std::uint64_t key_count_ = 0;
    std::uint64_t tensor_count_ = 0;
    std::string keys_;
    std::string infos_;
    std::string data_;
};

}  // namespace support

#endif
