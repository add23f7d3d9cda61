// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_UNICODE_SCRIPTS_HPP
#define EARLYOUT_TEXT_DETAIL_UNICODE_SCRIPTS_HPP

#include <earlyout/core/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Unicode's scripts (ISO 15924), frequent ones first, except Hira and Kana, which count as Hani, and Zyyy.
inline constexpr std::string_view unicode_scripts =
    "Latn Zyyy Cyrl Arab Hang Grek Deva Thai Hebr Zinh Adlm Aghb Ahom Armi Armn Avst Bali Bamu Bass Batk Beng Bhks "
    "Bopo "
    "Brah Brai Bugi Buhd Cakm Cans Cari Cham Cher Chrs Copt Cpmn Cprt Diak Dogr Dsrt Dupl Egyp Elba Elym Ethi Geor "
    "Glag "
    "Gong Gonm Goth Gran Gujr Guru Hano Hatr Hluw Hmng Hmnp Hung Ital Java Kali Khar Khmr Khoj Kits Knda Kthi Lana "
    "Laoo "
    "Lepc Limb Lina Linb Lisu Lyci Lydi Mahj Maka Mand Mani Marc Medf Mend Merc Mero Mlym Modi Mong Mroo Mtei Mult "
    "Mymr "
    "Nand Narb Nbat Newa Nkoo Nshu Ogam Olck Orkh Orya Osge Osma Ougr Palm Pauc Perm Phag Phli Phlp Phnx Plrd Prti "
    "Rjng "
    "Rohg Runr Samr Sarb Saur Sgnw Shaw Shrd Sidd Sind Sinh Sogd Sogo Sora Soyo Sund Sylo Syrc Tagb Takr Tale Talu "
    "Taml "
    "Tang Tavt Telu Tfng Tglg Thaa Tibt Tirh Tnsa Toto Ugar Vaii Vith Wara Wcho Xpeo Xsux Yezi Yiii Zanb";

/// Returns an expression whose matches are Hugging Face's UnicodeScripts: runs of one script, each with the spaces and
/// unassigned characters in it and behind it. Those at the start of a text are in no match, and are dropped.
/// Needs PCRE2 10.40, which knows a character's own script (sc) beside those that it is used in.
[[nodiscard]] inline std::string unicode_scripts_pattern() {
    constexpr std::string_view anywhere = R"( \p{sc:Zzzz})";
    std::string made;
    const auto add = [&](const std::string& first, std::string_view more) {
        if (!made.empty()) made += '|';
        made.append("[").append(first).append("][").append(first).append(more).append("]*");
    };
    const std::string han = R"(\p{sc:Hani}\p{sc:Hira}\p{sc:Kana}\x{30fc})";
    for (std::string_view rest = unicode_scripts; !rest.empty();) {
        const std::string name(rest.substr(0, 4));
        rest.remove_prefix(rest.size() < 5 ? rest.size() : 5);
        if (name == "Zyyy") {  // without the space and U+30FC, the Katakana-Hiragana prolonged sound mark
            made += R"(|[^\P{sc:Zyyy} \x{30fc}](?:[^\P{sc:Zyyy}\x{30fc}]|\p{sc:Zzzz})*)";
            add(han, anywhere);
        } else {
            add("\\p{sc:" + name + '}', anywhere);
        }
    }
    return made.append("|[^").append(anywhere).append("]");  // scripts that Unicode added later
}

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
