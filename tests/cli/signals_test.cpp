// SPDX-License-Identifier: MIT
// A command that is ended by a signal, a file that is overwritten while it is in use, outputs that are no files.
#include <earlyout/io/safetensors_writer.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "cli/command.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EARLYOUT_TESTS_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EARLYOUT_TESTS_SANITIZED
#endif
#endif

namespace fs = std::filesystem;
using support::earlyout_command;

namespace {

/// The command, running; its standard error goes to a file.
class running_command {
public:
    running_command(std::vector<std::string> arguments, const fs::path& errors, int ignored_signal = 0) {
        posix_spawn_file_actions_t files;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&files, 2, errors.c_str(), O_WRONLY | O_CREAT, 0600);
        arguments.insert(arguments.begin(), EARLYOUT_COMMAND);
        std::vector<char*> pointers;
        for (std::string& argument : arguments) pointers.push_back(argument.data());
        pointers.push_back(nullptr);
        if (ignored_signal != 0) std::signal(ignored_signal, SIG_IGN);
        const int failed = posix_spawn(&child_, EARLYOUT_COMMAND, &files, nullptr, pointers.data(), environ);
        if (ignored_signal != 0) std::signal(ignored_signal, SIG_DFL);
        posix_spawn_file_actions_destroy(&files);
        REQUIRE(failed == 0);
    }
    void send(int number) const { ::kill(child_, number); }
    /// Its exit status, or 1000 and the signal that killed it.
    int wait() const {
        int status = 0;
        REQUIRE(::waitpid(child_, &status, 0) == child_);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }

private:
    pid_t child_ = 0;
};

/// Waits until it is true, for half a minute at most.
bool eventually(const std::function<bool()>& is_true) {
    for (int i = 0; i < 3000; ++i) {
        if (is_true()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
}

/// A GPT-2 of 200 MB in f32, most of it holes, which takes a while to write.
void write_large_model(const fs::path& folder) {
    constexpr std::size_t d = 64, vocab = 800'000;
    std::ofstream(folder / "config.json")
        << R"({"model_type":"gpt2","n_layer":1,"n_head":2,"n_positions":16,"n_inner":64,"n_embd":64,"vocab_size":)"
        << vocab << "}";
    const std::vector<float> zeros(vocab * d);
    std::vector<earlyout::tensor_view> tensors;
    const auto add = [&](std::string name, std::vector<std::size_t> shape) {
        earlyout::tensor_view view{std::move(name), earlyout::dtype::f32, std::move(shape), {}};
        view.bytes = std::as_bytes(std::span(zeros).first(view.element_count()));
        tensors.push_back(std::move(view));
    };
    add("wte.weight", {vocab, d});
    add("wpe.weight", {16, d});
    for (const char* norm : {"ln_f", "h.0.ln_1", "h.0.ln_2"}) {
        add(std::string(norm) + ".weight", {d});
        add(std::string(norm) + ".bias", {d});
    }
    for (const auto& [name, out] :
         {std::pair{"attn.c_attn", 3 * d}, {"attn.c_proj", d}, {"mlp.c_fc", d}, {"mlp.c_proj", d}}) {
        add(std::string("h.0.") + name + ".weight", {d, out});
        add(std::string("h.0.") + name + ".bias", {out});
    }
    earlyout::io::write_safetensors(folder / "model.safetensors", std::span<const earlyout::tensor_view>(tensors));
}

}  // namespace

TEST_CASE("a signal ends quantize with nothing left behind", "[cli][signals]") {
    const support::temporary_folder model, out;
    write_large_model(model.path());
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        INFO(number);
        const running_command quantize(
            {"quantize", "--model", model.path().string(), "--dtype", "f32", "--out", (out / "m.packed").string()},
            model / "errors");
        const bool begun = eventually([&] { return !names_in(out.path()).empty(); });
        quantize.send(number);
        const int status = quantize.wait();
        CHECK(begun);
        // On a fast disk it may have been done already.
        const std::vector<std::string> left = names_in(out.path());
        CHECK((left.empty() ? status == 128 + number : left == std::vector<std::string>{"m.packed"}));
        fs::remove(out / "m.packed");
    }
}

TEST_CASE("a signal ends every command that computes", "[cli][signals]") {
    const std::string recipe = EARLYOUT_EXAMPLE_MODEL "/recipe";
    const support::temporary_folder out;
    fs::create_directory(out / "made");
    const std::string page = (out / "made/page.html").string(), table = (out / "made/table.csv").string();
    const std::vector<std::vector<std::string>> calls = {
        {"evaluate", "--text", recipe, "--samples", "1000", "--html", page, "--csv", table},
        {"fit", "--text", EARLYOUT_EXAMPLE_MODEL "/../cli", "--suffix", ".cpp", "--out",
         (out / "made/exits.safetensors").string()},
        {"bench", "--rounds", "1000"},
        {"complete", "--prompt", "a", "--compare", "--rounds", "1000"},
    };
    for (const auto& call : calls) {
        for (const int number : {SIGINT, SIGTERM}) {
            INFO(call.front() << ' ' << number);
            const running_command command(call, out / "errors");
            if (call.front() == "evaluate") {
                CHECK(eventually([&] { return names_in(out / "made").size() == 2; }));
            } else {
                std::this_thread::sleep_for(std::chrono::milliseconds(700));
            }
            // The first ends it in order; where that takes its time the second ends it at once.
            command.send(number);
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            command.send(number);
            CHECK(command.wait() == 128 + number);
            for (const std::string& name : names_in(out / "made")) {
                CHECK(name.find("partial") == std::string::npos);
                fs::remove(out / "made" / name);
            }
        }
    }
}

TEST_CASE("an evaluation that is interrupted replaces no page", "[cli][signals]") {
    const support::temporary_folder out;
    out.write("page.html", "a good page");
    out.write("table.csv", "a good table");
    const running_command command({"evaluate", "--text", EARLYOUT_EXAMPLE_MODEL "/recipe", "--samples", "1000",
                                   "--html", (out / "page.html").string(), "--csv", (out / "table.csv").string()},
                                  out / "errors");
    CHECK(eventually([&] { return names_in(out.path()).size() > 3; }));
    command.send(SIGINT);
    CHECK(command.wait() == 128 + SIGINT);
    CHECK(out.read("page.html") == "a good page");
    CHECK(out.read("table.csv") == "a good table");
    CHECK(out.read("errors").find("page.html: left as it was, since the measurement was interrupted") !=
          std::string::npos);
    CHECK(names_in(out.path()).size() == 3);
}

TEST_CASE("a fit that was killed goes on from its folder, to the same exits", "[cli][signals]") {
    const support::temporary_folder out;
    const std::string checkpoint = (out / "fitting").string(), whole = (out / "whole").string();
    const auto fit = [&](const std::string& to, std::vector<std::string> more) {
        std::vector<std::string> all{"fit",      "--text",    EARLYOUT_EXAMPLE_MODEL "/../cli",
                                     "--suffix", ".cpp",      "--tokens",
                                     "20000",    "--samples", "20",
                                     "--gates",  "agreement", "--no-timing",
                                     "--out",    to};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    REQUIRE(earlyout_command(fit(whole, {"--quiet"})).status == 0);
    const std::vector<std::string> kept{"--checkpoint", checkpoint, "--costs", whole};
    const std::string made = (out / "made").string();
    for (const int number : {SIGKILL, SIGINT}) {
        const std::size_t before = fs::exists(checkpoint) ? names_in(checkpoint).size() : 0;
        const running_command command(fit(made, kept), out / "errors");
        const bool begun =
            eventually([&] { return fs::exists(checkpoint) && names_in(checkpoint).size() > before + 20; });
        command.send(number);
        const int status = command.wait();
        CHECK(begun);
        CHECK(status == (number == SIGKILL ? 1000 + SIGKILL : 128 + SIGINT));
        CHECK_FALSE(fs::exists(made));
    }
    CHECK(out.read("errors").find("fitting: the same command goes on from there") != std::string::npos);

    std::vector<std::string> other = kept;
    other.insert(other.end(), {"--loss", "0.5"});
    CHECK(earlyout_command(fit(made, other))
              .refused(1, {"settings.json", "'loss'", "expected 0.011", "found 0.5", "--checkpoint"}));
    CHECK(earlyout_command(fit(made, {"--checkpoint", EARLYOUT_EXAMPLE_MODEL})).refused(1, {"--checkpoint", "empty"}));

    const auto last = earlyout_command(fit(made, kept));
    INFO(last);
    REQUIRE(last.status == 0);
    CHECK(last.err.find("going on from ") != std::string::npos);
    CHECK_FALSE(fs::exists(checkpoint));
    REQUIRE(earlyout_command(fit(whole, {"--quiet", "--costs", whole})).status == 0);
    // The file of the fit that was not interrupted has other times in it.
    const std::string a = out.read("made"), b = out.read("whole");
    const auto header_size = [](const std::string& file) {
        std::uint64_t size = 0;
        std::memcpy(&size, file.data(), sizeof size);
        return static_cast<std::size_t>(size);
    };
    CHECK(a.substr(8 + header_size(a)) == b.substr(8 + header_size(b)));
    const auto metadata = [&](const std::string& file) {
        return nlohmann::json::parse(file.substr(8, header_size(file))).at("__metadata__");
    };
    const nlohmann::json of_a = metadata(a), of_b = metadata(b);
    for (const char* key : {"front", "costs", "policy.agreement"}) CHECK(of_a.value(key, "") == of_b.value(key, ""));
}

TEST_CASE("a signal that is ignored stays ignored", "[cli][signals]") {
    const support::temporary_folder out;
    const running_command command({"logits", "--ids", "5"}, out / "errors", SIGHUP);
    for (int i = 0; i < 20; ++i) {
        command.send(SIGHUP);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    CHECK(command.wait() == 0);
}

TEST_CASE("outputs that are pipes, devices or links are written to", "[cli][errors]") {
    const support::temporary_folder folder;
    const auto quantize = [&](const char* name) {
        return earlyout_command({"quantize", "--model", EARLYOUT_TEST_DATA "/gpt2/tiny", "--dtype", "int8", "--json",
                                 "--out", (folder / name).string()});
    };
    CHECK(quantize("file").status == 0);
    const std::string expected = folder.read("file");
    fs::create_symlink("real", folder / "link");
    CHECK(quantize("link").json().at("bytes") == expected.size());
    CHECK(fs::is_symlink(folder / "link"));
    CHECK(folder.read("real") == expected);
    fs::create_symlink("/dev/null", folder / "null");
    CHECK(quantize("null").json().at("bytes") == expected.size());
    CHECK(fs::is_symlink(folder / "null"));
    CHECK(fs::is_character_file("/dev/null"));
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    auto read = std::async(std::launch::async, [&] { return folder.read("pipe"); });
    CHECK(quantize("pipe").status == 0);
    CHECK(read.get() == expected);
    CHECK(fs::is_fifo(folder / "pipe"));
    CHECK(quantize("pipe").refused(1, {"pipe", "no program reads"}));
    const auto full = earlyout_command({"quantize", "--model", EARLYOUT_TEST_DATA "/gpt2/tiny", "--out", "/dev/full"});
    CHECK(full.refused(1, {"/dev/full", "cannot be written", "No space left"}));
}

TEST_CASE("a packed file that is overwritten while it is in use is told in a sentence", "[cli][signals]") {
    const support::temporary_folder folder;
    const std::string packed = (folder / "m.packed").string();
    REQUIRE(earlyout_command({"quantize", "--dtype", "f32", "--out", packed}).status == 0);
    const std::vector<std::string> bench{"bench", "--rounds", "300", "--model", packed};
    {
        const running_command command(bench, folder / "errors");
        std::this_thread::sleep_for(std::chrono::milliseconds(1500));
        fs::resize_file(packed, 64);
        CHECK(command.wait() == 1);
        CHECK(folder.read("errors").find("overwritten while it was in use") != std::string::npos);
    }
    REQUIRE(earlyout_command({"quantize", "--dtype", "f32", "--out", packed}).status == 0);
    std::vector<std::string> copied{"bench", "--rounds", "2", "--no-mmap", "--model", packed};
    CHECK(earlyout_command(copied).status == 0);
}

#if !defined(EARLYOUT_TESTS_SANITIZED)  // a sanitizer needs terabytes of address space before the command begins
TEST_CASE("a command without memory says so", "[cli][errors]") {
    // What any program with this library needs to start, and some sizes beyond.
    for (const int kilobytes : {40'000, 60'000, 80'000, 100'000}) {
        INFO(kilobytes);
        const support::temporary_folder folder;
        const std::string call = "ulimit -v " + std::to_string(kilobytes) +
                                 "; exec " EARLYOUT_COMMAND " complete --model " EARLYOUT_EXAMPLE_MODEL
                                 " --prompt x --max-new-tokens 2 > " +
                                 (folder / "out").string() + " 2> " + (folder / "err").string();
        const int status = std::system(call.c_str());
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) < 128);
        const std::string error = folder.read("err");
        CHECK(error.find("terminate") == std::string::npos);
        if (WEXITSTATUS(status) == 1) CHECK(error.starts_with("earlyout: "));
    }
}
#endif
