// SPDX-License-Identifier: MIT
#include "memory.hpp"

#include "bytes.hpp"
#include "policy.hpp"
#include "report.hpp"

#include <earlyout/core/machine.hpp>
#include <earlyout/generate/prompt.hpp>
#include <earlyout/io/model_files.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

namespace cli {

namespace {

/// Bytes of a weight in a format, with its scales; 0: as it is stored.
double bytes_of_weight(const eo::any_format& format) {
    if (format.is_as_stored()) return 0.0;
    return format.visit([]<class Format>(Format) {
        if constexpr (eo::group_format<Format>) {
            return static_cast<double>(eo::block_bytes(Format::stored)) / static_cast<double>(Format::layout.values);
        } else {
            return static_cast<double>(sizeof(typename Format::element));
        }
    });
}

double file_bytes(const std::filesystem::path& model) {
    double sum = 0.0;
    for (const eo::io::model_file& file : eo::io::model_files(model)) sum += static_cast<double>(file.bytes);
    return sum;
}

/// Embeddings stay as they are stored.
bool is_embedding(std::string_view tensor) {
    for (const char* name : {"embed", "embd", "wte", "wpe"}) {
        if (tensor.find(name) != tensor.npos) return true;
    }
    return false;
}

/// What the matrices will take at least, from the names and shapes of the tensors alone.
double weight_bytes(const eo::io::stored_checkpoint& from, const weight_formats& formats) {
    double sum = 0.0;
    from.for_each_stored([&](const eo::tensor_view& t) {
        const double element = t.name.find("lm_head") != t.name.npos || t.name == "output.weight"
                                   ? bytes_of_weight(formats.output)
                                   : bytes_of_weight(formats.layers);
        const auto stored = static_cast<double>(t.bytes.size());
        const bool as_stored = t.shape.size() < 2 || is_embedding(t.name) || element == 0.0;
        sum += as_stored ? stored : element * static_cast<double>(t.element_count());
    });
    return sum;
}

}  // namespace

memory_need memory_of(const model& m, const run_options& run) {
    const auto& network = m.network();
    const eo::model_shape& shape = network.shape();
    const eo::session_options options = session_options_of(run);
    memory_need need;
    need.capacity = resolved_capacity(m, options);
    for (std::size_t layer = 1; layer <= shape.layers; ++layer) {
        need.weights += static_cast<double>(network.stored_bytes(layer));
    }
    need.weights += static_cast<double>(network.output_bytes() + network.embedding_bytes());
    need.kv_cache = static_cast<double>(eo::kv_cache(shape, 1, options.kv).entry_bytes()) *
                    static_cast<double>(shape.layers) * static_cast<double>(need.capacity);
    const std::size_t threads = std::max(run.threads, run.prefill_threads);
    need.scratch = static_cast<double>(network.scratch_bytes(options.block, eo::pieces_per_thread * threads));
    return need;
}

json to_json(const memory_need& need) {
    const auto whole = [](double bytes) { return static_cast<std::uint64_t>(bytes); };
    return {{"weights", whole(need.weights)},
            {"kv_cache", whole(need.kv_cache)},
            {"capacity", need.capacity},
            {"scratch", whole(need.scratch)},
            {"total", whole(need.total())}};
}

std::string to_string(const memory_need& need) {
    const bool large = need.total() >= 1e10;
    const auto part = [&](double bytes) { return fixed(bytes / (large ? 1e9 : 1e6), 1); };
    return part(need.total()) + (large ? " GB" : " MB") + ": weights " + part(need.weights) + ", KV cache " +
           part(need.kv_cache) + " (" + std::to_string(need.capacity) + " tokens), scratch " + part(need.scratch);
}

void require_memory_to_load(const model_options& from, const weight_formats& formats) {
    const auto available = eo::available_memory();
    // Four bits become at most 32: most models need no closer look.
    if (!available || 9.0 * file_bytes(from.folder) < static_cast<double>(*available)) return;
    const auto files = eo::io::open_checkpoint(from.folder);
    if (files->is_packed()) {
        if (from.no_mmap) {
            require_memory(from.folder, "weights", file_bytes(from.folder), available,
                           "without --no-mmap they are used in place");
        }
        return;
    }
    const std::string format(formats.layers.name());
    require_memory(from.folder, format == "stored" ? "weights as they are stored" : "weights in " + format,
                   weight_bytes(*files, formats), available,
                   bytes_of_weight(formats.layers) <= 0.6   ? ""
                   : bytes_of_weight(formats.layers) <= 1.1 ? "--dtype int4 takes less"
                                                            : "--dtype int8 or --dtype int4 takes less");
}

void require_memory_to_run(const model& m, const run_options& run) {
    const memory_need need = memory_of(m, run);
    require_memory(m.source(), "KV cache of " + std::to_string(need.capacity) + " tokens and scratch",
                   need.kv_cache + need.scratch, eo::available_memory(),
                   std::string("a smaller --capacity") +
                       (run.kv_dtype == "f32"    ? " or --kv-dtype f16"
                        : run.kv_dtype == "int8" ? ""
                                                 : " or --kv-dtype int8") +
                       " takes less");
}

}  // namespace cli
