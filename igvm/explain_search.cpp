// See explain_search.h.
#include "igvm/explain_search.h"

#include "igvm/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace vestibule::igvm {

static void combine(std::span<const Cause> causes, std::span<const u16> candidates, unsigned count,
                    Combination so_far, std::vector<Combination>& result) {
    if (so_far.count == count) {
        result.push_back(so_far);
        return;
    }
    for (u64 i = 0; i < candidates.size(); ++i) {
        const Cause& next = causes[candidates[i]];
        if (std::ranges::any_of(so_far.span(),
                                [&](u16 other) { return causes[other].group == next.group; })) {
            continue;
        }
        Combination longer          = so_far;
        longer.causes[longer.count] = candidates[i];
        longer.count                = so_far.count + 1;
        combine(causes, candidates.subspan(i + 1), count, longer, result);
    }
}

std::vector<Combination> combinations(std::span<const Cause> causes,
                                      std::span<const u16> candidates, unsigned count) {
    std::vector<Combination> result;
    combine(causes, candidates, count, {}, result);
    return result;
}

bool Search::is_in_file(const Step& step) const {
    const std::less<> before;
    const u8* const first = question_.file.data();
    return !step.data.empty() && !before(step.data.data(), first)
           && before(step.data.data(), first + question_.file.size());
}

const Digest384& Search::contents(const Step& step) {
    if (launch_.platform != PlatformType::sev_snp || !is_in_file(step)
        || step.type != PageType::normal) {
        other_contents_ =
            launch_.platform == PlatformType::sev_snp ? contents_of(step) : Digest384{};
        return other_contents_;
    }
    const auto [entry, is_new] = contents_.try_emplace(step.data.data());
    if (is_new) {
        entry->second = contents_of(step);
    }
    return entry->second;
}

Search::Vcpu& Search::vcpu_of(const Step& step) {
    const bool first           = step.vcpu == 0;
    const auto [entry, is_new] = vcpus_.try_emplace({sha384(step.data), first});
    Vcpu& vcpu                 = entry->second;
    if (is_new) {
        std::memcpy(&vcpu.vmsa, step.data.data(), sizeof(vcpu.vmsa));
        vcpu.id    = load<u64>(entry->first.first) + (first ? 1 : 0);
        vcpu.first = first;
        for (const Cause& cause : causes_) {
            x86::Vmsa altered = vcpu.vmsa;
            if (cause.is_of_vmsa() && (first ? cause.first_vcpu : cause.others)) {
                cause.vmsa(altered);
            }
            vcpu.altered_by.push_back(std::memcmp(&altered, &vcpu.vmsa, sizeof(altered)) != 0);
        }
    }
    return vcpu;
}

bool Search::arrange(const Combination& combination) {
    Plan plan = question_.plan;
    for (const u16 cause : combination.span()) {
        if (causes_[cause].plan) {
            causes_[cause].plan(plan);
        }
    }
    auto launch = question_.launch(plan);
    if (!launch) {
        return false;
    }
    launch_ = std::move(*launch);
    steps_  = launch_.steps;
    for (const u16 cause : combination.span()) {
        if (causes_[cause].steps) {
            causes_[cause].steps(steps_);
        }
    }
    const auto vmsa = std::ranges::find(steps_, PageType::vmsa, &Step::type);
    first_vmsa_     = static_cast<u64>(vmsa - steps_.begin());

    // From the last chain that is still right. Data that lies in no file may have changed in place.
    u64 same = 0;
    while (same < first_vmsa_ && same < drawn_.size() && drawn_[same] == steps_[same]
           && (steps_[same].data.empty() || is_in_file(steps_[same]))) {
        ++same;
    }
    if (chains_.empty()) {
        chains_.emplace_back(launch_.platform);
    }
    chains_.erase(chains_.begin() + static_cast<std::ptrdiff_t>(same) + 1, chains_.end());
    for (u64 at = same; at < first_vmsa_; ++at) {
        Chain next = chains_.back();
        next.add(steps_[at], contents(steps_[at]));
        chains_.push_back(std::move(next));
    }
    drawn_.assign(steps_.begin(), vmsa);

    tail_.clear();
    tail_contents_.clear();
    const u8* known = nullptr;
    for (u64 at = first_vmsa_; at < steps_.size(); ++at) {
        const Step& step = steps_[at];
        if (step.type != PageType::vmsa) {
            tail_.push_back(nullptr);
            tail_contents_.push_back(contents(step));
            known = nullptr;
            continue;
        }
        // All vCPUs but the first are usually one page.
        const bool again = step.data.data() == known && step.vcpu > 1;
        tail_.push_back(again ? tail_.back() : &vcpu_of(step));
        tail_contents_.emplace_back();
        known = step.data.data();
    }
    return true;
}

std::string Search::signature() const {
    const auto before = chains_.back().digest();
    std::string text(before.begin(), before.end());
    // What follows is hashed by FNV-1a: with 256 vCPUs it is long.
    u64 hash       = 0xCBF2'9CE4'8422'2325;
    const auto add = [&](u64 value) { hash = (hash ^ value) * 0x100'0000'01B3; };
    for (u64 at = 0; at < tail_.size(); ++at) {
        const Step& step = steps_[first_vmsa_ + at];
        add(static_cast<u64>(step.type));
        add(step.gpa);
        add(step.pages);
        add(tail_[at] != nullptr ? tail_[at]->id : load<u64>(tail_contents_[at]));
    }
    return text + fmt::format(" {:x}", hash);
}

void Search::forget_numbers(u64 count) {
    numbers_ = count;
    for (auto& [key, vcpu] : vcpus_) {
        vcpu.digests.clear();
    }
}

x86::Vmsa Search::varied(const Vcpu& vcpu, const Combination& combination) const {
    x86::Vmsa vmsa = vcpu.vmsa;
    for (const u16 cause : combination.span()) {
        if (vcpu.first ? causes_[cause].first_vcpu : causes_[cause].others) {
            causes_[cause].vmsa(vmsa);
        }
    }
    return vmsa;
}

std::optional<bool> Search::matches(const Combination& combination, u64 number) {
    for (const u16 cause : combination.span()) {
        const bool idle = std::ranges::none_of(
            tail_, [&](const Vcpu* vcpu) { return vcpu != nullptr && vcpu->altered_by[cause]; });
        if (idle) {
            return std::nullopt;
        }
    }
    const bool snp = launch_.platform == PlatformType::sev_snp;
    Chain chain    = chains_.back();
    for (u64 at = 0; at < tail_.size(); ++at) {
        const Step& step = steps_[first_vmsa_ + at];
        Vcpu* const vcpu = tail_[at];
        if (vcpu == nullptr) {
            chain.add(step, tail_contents_[at]);
            continue;
        }
        if (!snp) {
            const x86::Vmsa vmsa = varied(*vcpu, combination);
            std::array<u8, sizeof(x86::Vmsa)> page;
            std::memcpy(page.data(), &vmsa, sizeof(vmsa));
            Step altered = step;
            altered.data = page;
            chain.add(altered, {});
            continue;
        }
        vcpu->digests.resize(std::max<u64>(vcpu->digests.size(), numbers_));
        auto& digest = vcpu->digests[number];
        if (!digest) {
            const x86::Vmsa vmsa = varied(*vcpu, combination);
            std::array<u8, sizeof(x86::Vmsa)> page;
            std::memcpy(page.data(), &vmsa, sizeof(vmsa));
            digest = sha384(page);
        }
        chain.add(step, *digest);
    }
    return question_.matches(chain);
}

} // namespace vestibule::igvm
