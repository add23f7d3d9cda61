// SPDX-License-Identifier: MIT
// `earlyout inspect`: what is in a model's folder or file, after everything in it has been checked.
#include "commands.hpp"
#include "memory.hpp"
#include "model.hpp"
#include "options.hpp"
#include "report.hpp"

#include <cmath>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace cli {

namespace {

struct inspect_options {
    model_options model;
    weight_options weights;
    bool tensors = false;
    bool json = false;
};

json shape_of(const model& m) {
    const eo::model_shape& s = m.network().shape();
    json made{{"layers", s.layers},     {"d_model", s.d_model}, {"heads", s.heads}, {"kv_heads", s.kv_heads},
              {"head_dim", s.head_dim}, {"d_ff", s.d_ff},       {"vocab", s.vocab}, {"context", s.context}};
    if (s.experts != 0) {
        made["experts"] = s.experts;
        made["active_experts"] = s.active_experts;
    }
    return made;
}

/// 0.7f as 0.7, not as the double next to it.
json rounded(const std::vector<float>& values) {
    json made = json::array();
    for (const float value : values) made.push_back(std::round(static_cast<double>(value) * 1e6) / 1e6);
    return made;
}

json exits_of(const model& m) {
    if (!m.has_exits()) return nullptr;
    const eo::exit_weights& exits = m.exits();
    json tensors = json::object();
    json thresholds = json::object();
    for (const auto& [name, tensor] : exits.tensors()) {
        if (name.starts_with("thresholds.")) {
            thresholds[name.substr(name.find('.') + 1)] = rounded(tensor.values);
        } else {
            tensors[name] = tensor.shape;
        }
    }
    return {{"layers", exits.layers()},
            {"thresholds", thresholds},
            {"tensors", tensors},
            {"weight_formats", exits.model().weight_formats},
            {"fingerprint", exits.model().fingerprint},
            {"metadata", exits.metadata()}};
}

/// Where the memory goes once loaded, and what a token reads of it.
json bytes_of(const model& m) {
    const auto& network = m.network();
    std::size_t layers = 0, stored = 0;
    for (std::size_t layer = 1; layer <= network.shape().layers; ++layer) {
        layers += network.layer_bytes(layer);
        stored += network.stored_bytes(layer);
    }
    return {{"layer", network.layer_bytes(1)},
            {"layers", layers},
            {"output", network.output_bytes()},
            {"embeddings", network.embedding_bytes()},
            {"per_token", layers + network.output_bytes()},
            {"total", stored + network.output_bytes() + network.embedding_bytes()},
            {"keys_and_values_per_token", eo::kv_cache(network.shape(), 1).entry_bytes() * network.shape().layers}};
}

json describe(const model& m) {
    const std::unique_ptr<eo::io::stored_checkpoint> files = eo::io::open_checkpoint(m.source());
    json tensors = json::array();
    json dtypes = json::object();
    std::size_t parameters = 0;
    files->for_each_stored([&](const eo::tensor_view& t) {
        tensors.push_back({{"name", t.name}, {"dtype", to_string(t.type)}, {"shape", t.shape}});
        const bool packed = files->is_packed() && t.bytes.empty() && t.element_count() != 0;
        json& of_type = dtypes[packed ? "packed" : to_string(t.type)];
        if (of_type.is_null()) of_type = {{"tensors", 0}, {"elements", 0}, {"bytes", 0}};
        of_type["tensors"] = of_type["tensors"].get<std::size_t>() + 1;
        of_type["elements"] = of_type["elements"].get<std::size_t>() + t.element_count();
        of_type["bytes"] = of_type["bytes"].get<std::size_t>() + t.bytes.size();
        parameters += t.element_count();
    });
    return {{"model", m.source()},
            {"architecture", m.network().architecture()},
            {"shape", shape_of(m)},
            {"tied", m.network().tied()},
            {"parameters", parameters},
            {"dtypes", dtypes},
            {"computed_in", m.network().weight_format()},
            {"bytes", bytes_of(m)},
            {"memory", to_json(memory_of(m, {}))},
            {"fingerprint", files->fingerprint()},
            {"tokenizer", m.has_tokenizer() ? json{{"tokens", m.tokenizer().size()}} : json(nullptr)},
            {"eos_token_ids", m.generation().eos_token_ids},
            {"exits", exits_of(m)},
            {"tensors", tensors}};
}

void print_line(const char* name, const json& value) {
    std::cout << std::left << std::setw(16) << name << (value.is_string() ? value.get<std::string>() : value.dump())
              << '\n';
}

/// @param all also the tensors, and what fit wrote for programs to read
void print_exits(const json& exits, bool all) {
    if (exits.is_null()) {
        print_line("exits", "none fitted");
        return;
    }
    std::string layers;
    for (const json& layer : exits["layers"]) layers += (layers.empty() ? "" : ",") + layer.dump();
    print_line("exits", "after layers " + layers + ", for weights in " + exits["weight_formats"].get<std::string>());
    for (const auto& [key, value] : exits["metadata"].items()) {
        if (!all && (key == "metrics" || key == "settings")) continue;
        const std::string text = value.get<std::string>();
        const json parsed = json::parse(text, nullptr, false);
        if (!all && key == "costs" && parsed.is_array()) {
            print_line("", "costs: of " + std::to_string(parsed.size()) +
                               (parsed.size() == 1 ? " machine" : " machines") + ", see earlyout costs");
        } else if (!all && key == "front" && parsed.is_object() && parsed.contains("policies")) {
            print_line("", "front: " + std::to_string(parsed["policies"].size()) + " policies, see earlyout costs");
        } else {
            print_line("", key + ": " + text);
        }
    }
    if (!all) return;
    for (const auto& [name, shape] : exits["tensors"].items()) print_line("", name + ' ' + shape.dump());
    for (const auto& [name, values] : exits["thresholds"].items())
        print_line("", "threshold " + name + ' ' + values.dump());
}

void print_table(const json& d, const memory_need& memory, bool tensors) {
    print_line("model", d["model"]);
    print_line("architecture", d["architecture"]);
    for (const auto& [name, value] : d["shape"].items()) print_line(name.c_str(), value);
    print_line("output matrix", d["tied"].get<bool>() ? "the token embedding" : "its own");
    print_line("parameters", d["parameters"]);
    for (const auto& [type, sum] : d["dtypes"].items()) {
        print_line("stored as",
                   type + ", " + sum["tensors"].dump() + " tensors, " + megabytes(sum["bytes"].get<double>()));
    }
    print_line("computed in", d["computed_in"]);
    const auto in_memory = [&](const char* part) { return megabytes(d["bytes"][part].get<double>()); };
    print_line("in memory", in_memory("total") + ": " + d["shape"]["layers"].dump() + " layers of " +
                                in_memory("layer") + ", output " + in_memory("output") + ", embeddings " +
                                in_memory("embeddings"));
    print_line("to complete", to_string(memory));
    print_line("read per token", in_memory("per_token") + " of weights, and " + in_memory("keys_and_values_per_token") +
                                     " for each token before it (f32)");
    print_line("tokenizer",
               d["tokenizer"].is_null() ? json("none") : json(d["tokenizer"]["tokens"].dump() + " tokens"));
    print_line("end of text", d["eos_token_ids"]);
    print_exits(d["exits"], tensors);
    print_line("fingerprint", d["fingerprint"]);
    if (!tensors) return;
    std::cout << '\n';
    for (const json& t : d["tensors"]) {
        std::cout << std::left << std::setw(40) << t["name"].get<std::string>() << std::setw(6)
                  << t["dtype"].get<std::string>() << t["shape"].dump() << '\n';
    }
}

int run(const inspect_options& o) {
    const model m = load(o.model, o.weights);
    const json description = describe(m);
    if (o.json) {
        print(std::cout, description);
    } else {
        print_table(description, memory_of(m, {}), o.tensors);
    }
    return 0;
}

}  // namespace

command inspect(CLI::App& app) {
    CLI::App* const sub =
        app.add_subcommand("inspect", "Architecture, shapes, element types, bytes, parameters and exits");
    const auto o = std::make_shared<inspect_options>();
    add_options(*sub, o->model);
    add_cache(*sub, o->model);
    add_options(*sub, o->weights);
    sub->add_flag("--tensors", o->tensors, "List the tensors and all that fit wrote too (the JSON always does)");
    add_json(*sub, o->json);
    sub->footer(
        "Examples:\n"
        "  earlyout inspect --model my-model\n"
        "  earlyout inspect --model my-model --dtype int4 --output-dtype int8\n"
        "  earlyout inspect --model my-model.gguf --tensors");
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
