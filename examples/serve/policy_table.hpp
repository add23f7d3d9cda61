// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_POLICY_TABLE_HPP
#define EARLYOUT_EXAMPLES_SERVE_POLICY_TABLE_HPP

#include <earlyout/generate/make_session.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine_scheduler.hpp"

namespace serve {

/// A policy and its drafter, shared by the completions that name them: what these allocate is used again.
struct way_to_run {
    std::shared_ptr<const eo::any_exit_policy> policy;
    std::shared_ptr<const eo::any_drafter> drafter;
    std::string text;
};

/// The policies that requests name, made once: the text of a policy and of drafters, either of them empty.
class policy_table {
public:
    /// @param of       must outlive the table
    /// @param policy   of requests that name none
    /// @param sources  what drafters draft from
    policy_table(const model& of, eo::policy_spec policy, eo::draft_sources sources)
        : model_(&of), policy_(std::move(policy)), sources_(std::move(sources)) {}

    /// Returns what a request names, until the next call.
    /// @throws earlyout::error for what is no policy, or does not fit the model
    [[nodiscard]] const way_to_run& find(const std::string& policy, const std::string& drafts) {
        const std::pair<std::string, std::string> named(policy, drafts);
        const auto known = ways_.find(named);
        if (known != ways_.end()) return known->second;
        eo::policy_spec spec = policy.empty() ? policy_ : eo::policy_spec::parse(policy);
        if (!drafts.empty()) {
            spec.drafts = eo::drafts_spec::parse(drafts);
        } else if (!policy.empty() && spec.is_full_depth() && spec.drafts.is_none()) {
            spec.drafts.is_auto = true;
        }
        spec = eo::resolve(std::move(spec), *model_);
        way_to_run made{.policy = std::make_shared<eo::any_exit_policy>(eo::make_policy(spec, *model_)),
                        .drafter = std::make_shared<eo::any_drafter>(eo::make_drafter(spec.drafts, sources_)),
                        .text = to_string(spec)};
        // Anybody may name any number of them; the engine's own stays.
        if (ways_.size() >= max_size) {
            std::erase_if(ways_, [](const auto& way) { return !way.first.first.empty() || !way.first.second.empty(); });
        }
        return ways_.insert_or_assign(named, std::move(made)).first->second;
    }

private:
    static constexpr std::size_t max_size = 64;

    const model* model_;
    eo::policy_spec policy_;
    eo::draft_sources sources_;
    std::map<std::pair<std::string, std::string>, way_to_run> ways_;
};

}  // namespace serve

#endif
