// SPDX-License-Identifier: BSD-2-Clause-Patent
// See search.h.
#include "igvm/explain/search.h"

#include "igvm/format/reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

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

bool KnownLaunches::has_smaller(const Key& key, unsigned count) {
    const std::scoped_lock lock(mutex_);
    const auto [entry, is_new] = smallest_.try_emplace(key, count);
    return entry->second < count;
}

/// On SNP each page is, by its type and address at least.
static bool is_measured_by(PlatformType platform, const Step& step) {
    return step.pages != 0
           && (platform == PlatformType::sev_snp || step.type == PageType::normal
               || step.type == PageType::vmsa);
}

bool Search::is_in_file(const Step& step) const {
    const auto lies_in = [&](std::span<const u8> file) {
        const std::less<> before;
        return !before(step.data.data(), file.data())
               && before(step.data.data(), file.data() + file.size());
    };
    return !step.data.empty()
           && (lies_in(question_.file) || std::ranges::any_of(question_.others, lies_in));
}

const Digest384& Search::contents(const Step& step) {
    if (!is_in_file(step) || step.type != PageType::normal) {
        other_contents_ = contents_of(step);
        return other_contents_;
    }
    const auto [entry, is_new] = contents_.try_emplace(step.data.data());
    if (is_new) {
        entry->second = contents_of(step);
    }
    return entry->second;
}

Search::Vcpu& Search::vcpu_of(const Step& step) {
    const bool first = step.vcpu == 0;
    Vcpu*& known     = known_vcpus_[step.data.data()].at(first ? 1 : 0);
    if (known != nullptr) {
        return *known;
    }
    // Of a launch with 256 vCPUs 255 are alike.
    if (last_vcpu_ != nullptr && last_vcpu_->first == first
        && std::memcmp(&last_vcpu_->vmsa, step.data.data(), sizeof(last_vcpu_->vmsa)) == 0) {
        known = last_vcpu_;
        return *known;
    }
    const auto [entry, is_new] = vcpus_.try_emplace({sha384(step.data), first});
    Vcpu& vcpu                 = entry->second;
    known = last_vcpu_ = &vcpu;
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

Search::Search(const Question& question, std::span<const Cause> causes, KnownLaunches& known)
    : question_(question), causes_(causes), known_(known) {
    for (const Cause& cause : causes) {
        most_vcpus_ = std::max(most_vcpus_, cause.vcpus);
    }
}

const Launch* Search::launch_for(const Combination& combination, bool with_most) {
    PlanCauses altering;
    altering.fill(no_cause);
    u64 count = 0;
    for (const u16 cause : combination.span()) {
        if (causes_[cause].plan) {
            altering[count++] = cause;
        }
    }
    const std::pair key(altering, with_most);
    if (const auto known = launches_.find(key); known != launches_.end()) {
        const std::optional<Launch>& launch = known->second;
        return launch ? &*launch : nullptr;
    }
    // Large ones are not hoarded.
    constexpr u64 most_launches = 256;
    constexpr u64 most_steps    = u64{1} << 19;
    if (launches_.size() >= most_launches || steps_kept_ > most_steps) {
        launches_.clear();
        known_vcpus_.clear();
        steps_kept_ = 0;
    }
    Plan plan = question_.plan;
    for (const u16 cause : std::span(altering).first(count)) {
        causes_[cause].plan(plan);
    }
    if (with_most) {
        plan.options.vcpus = most_vcpus_;
    }
    auto launch = question_.launch(plan);
    auto& kept  = launches_[key];
    if (!launch) {
        return nullptr;
    }
    steps_kept_ += launch->steps.size();
    return &kept.emplace(std::move(*launch));
}

bool Search::arrange_steps(const Combination& combination, bool with_most) {
    current_ = nullptr;
    if (most_is_ == Most::is_arranged) {
        most_.reset(); // the steps become others
    }
    const Launch* const launch = launch_for(combination, with_most);
    if (launch == nullptr) {
        return false;
    }
    platform_ = launch->platform;
    steps_    = launch->steps;
    for (const u16 cause : combination.span()) {
        if (causes_[cause].steps) {
            causes_[cause].steps(steps_);
        }
    }
    // A launch of nothing explains nothing, though its digest may be the expected one: zeros.
    return std::ranges::any_of(
        steps_, [this](const Step& step) { return is_measured_by(platform_, step); });
}

bool Search::ends_in_all_vmsas() const {
    if (steps_.size() < most_vcpus_) {
        return false;
    }
    const u64 first = steps_.size() - most_vcpus_;
    for (u64 at = 0; at < most_vcpus_; ++at) {
        if (steps_[first + at].type != PageType::vmsa || steps_[first + at].vcpu != at) {
            return false;
        }
    }
    return std::ranges::find(steps_, PageType::vmsa, &Step::type)
           == steps_.begin() + static_cast<std::ptrdiff_t>(first);
}

Search::Most Search::arrange_most(const Combination& rest) {
    if (!arrange_steps(rest, true) || !ends_in_all_vmsas()) {
        return Most::is_none;
    }
    if (known_.has_smaller(key_of_steps(), rest.count + 1)) {
        return Most::is_smaller; // and so is each of its beginnings
    }
    draw_head();
    note_tail(0);
    return Most::is_arranged;
}

/// What remains without the count of vCPUs, and that count, or 0.
static std::pair<Combination, u32> without_vcpus(std::span<const Cause> causes,
                                                 const Combination& combination) {
    Combination rest{.causes = {}, .count = 0};
    u32 count = 0;
    for (const u16 cause : combination.span()) {
        if (causes[cause].vcpus != 0) {
            count = causes[cause].vcpus;
        } else {
            rest.causes[rest.count++] = cause;
        }
    }
    return {rest, count};
}

static bool are_same(const Combination& one, const Combination& other) {
    return std::ranges::equal(one.span(), other.span());
}

u64 Search::foresee(std::span<const Combination> arrangements) {
    foreseen_.clear();
    reached_ = 0;
    current_ = nullptr;
    most_.reset();
    if (question_.plan.options.platform != PlatformType::sev_snp) {
        return arrangements.size();
    }
    constexpr u64 enough = 32; // chains, for the widest lanes' sake
    u64 count            = 0;
    u64 chains           = 0;
    for (; count < arrangements.size() && chains < enough; ++count) {
        const auto [rest, vcpus] = without_vcpus(causes_, arrangements[count]);
        if (vcpus != 0) {
            const bool is_new = foreseen_.empty() || !foreseen_.back().with_most
                                || !are_same(foreseen_.back().causes, rest);
            if (is_new) {
                arrange_ahead(rest, true);
            }
        }
        if (vcpus == 0 || foreseen_.back().is == Most::is_none) {
            arrange_ahead(arrangements[count], false);
        }
        chains += foreseen_.back().is == Most::is_arranged ? 1 : 0;
    }
    draw_foreseen();
    return count;
}

void Search::arrange_ahead(const Combination& causes, bool with_most) {
    auto is = Most::is_none;
    if (with_most) {
        is = arrange_most(causes);
    } else if (arrange_steps(causes, false)) {
        is = arrange_unlike(causes);
    }
    Foreseen& next = foreseen_.emplace_back(Foreseen{.causes    = causes,
                                                     .with_most = with_most,
                                                     .is        = is,
                                                     .head      = {},
                                                     .tail      = {},
                                                     .chain     = Chain(platform_),
                                                     .chains    = {}});
    if (is != Most::is_arranged) {
        return;
    }
    const Combination unvaried{.causes = {}, .count = 0};
    const u64 visible = std::exchange(visible_, tail_.size());
    hash_vmsas(std::span(&unvaried, 1), std::array<u64, 1>{0});
    visible_   = visible;
    next.head  = head_;
    next.tail  = tail_;
    next.chain = chains_.back();
}

void Search::draw_foreseen() {
    links_.resize(std::max(links_.size(), foreseen_.size()));
    hashed_.resize(links_.size());
    std::vector<Foreseen*> growing;
    for (Foreseen& each : foreseen_) {
        if (each.is == Most::is_arranged) {
            growing.push_back(&each);
        }
    }
    for (u64 at = 0; !growing.empty(); ++at) {
        std::erase_if(growing, [at](const Foreseen* each) { return at == each->tail.size(); });
        for (u64 n = 0; n < growing.size(); ++n) {
            Foreseen& each   = *growing[n];
            const Tail& tail = each.tail[at];
            const Step step{.type = tail.type, .gpa = tail.gpa, .pages = tail.pages, .what = {}};
            const Digest384 contents = tail.vcpu != nullptr
                                           ? digest_of(*tail.vcpu, 0).value_or(Digest384{})
                                           : tail.contents;
            if (each.with_most) {
                each.chains.push_back(each.chain);
            }
            if (tail.pages == 1) {
                links_[n] = each.chain.link(step, 0, contents);
                lanes_.add(links_[n], hashed_[n]);
            } else {
                each.chain.add(step, contents);
            }
        }
        lanes_.finish();
        for (u64 n = 0; n < growing.size(); ++n) {
            if (growing[n]->tail[at].pages == 1) {
                growing[n]->chain.take(hashed_[n]);
            }
        }
    }
    for (Foreseen& each : foreseen_) {
        each.chains.push_back(each.chain);
    }
}

const Search::Foreseen* Search::foreseen(const Combination& causes, bool with_most) {
    for (u64 at = reached_; at < foreseen_.size(); ++at) {
        if (foreseen_[at].with_most == with_most && are_same(foreseen_[at].causes, causes)) {
            reached_ = at;
            return &foreseen_[at];
        }
    }
    return nullptr;
}

Search::Most Search::arrange_unlike(const Combination& combination) {
    // Before anything is hashed: most of these are launches of fewer causes.
    if (known_.has_smaller(key_of_steps(), combination.count)) {
        return Most::is_smaller;
    }
    draw_head();
    note_tail(steps_.size() - first_vmsa_);
    return known_.has_smaller(signature(), combination.count) ? Most::is_smaller
                                                              : Most::is_arranged;
}

bool Search::arrange(const Combination& combination) {
    const auto [rest, count] = without_vcpus(causes_, combination);
    if (count != 0 && (!most_ || !are_same(*most_, rest))) {
        current_ = foreseen(rest, true);
        most_is_ = current_ != nullptr ? current_->is : arrange_most(rest);
        most_    = rest;
        if (current_ != nullptr && most_is_ == Most::is_arranged) {
            head_ = current_->head;
            tail_ = current_->tail;
            ++family_;
        }
    }
    if (count != 0 && most_is_ == Most::is_smaller) {
        return false;
    }
    if (count != 0 && most_is_ == Most::is_arranged) {
        family_ += count < visible_ ? 1 : 0;
        visible_          = count;
        altered_.is_noted = false;
        return !known_.has_smaller(signature(), combination.count);
    }
    if (const Foreseen* const known = foreseen(combination, false); known != nullptr) {
        current_ = known;
        visible_ = 0;
        ++family_;
        return known->is == Most::is_arranged;
    }
    return arrange_steps(combination, false) && arrange_unlike(combination) == Most::is_arranged;
}

KnownLaunches::Key Search::key_of_steps() {
    u64 one        = 0xCBF2'9CE4'8422'2325;
    u64 two        = 0x9E37'79B9'7F4A'7C15;
    const auto add = [&](u64 value) {
        one = std::rotl((one ^ value) * 0x100'0000'01B3, 31);
        two = std::rotl((two ^ value) * 0xD6E8'FEB8'6659'FD93, 29);
    };
    add(static_cast<u64>(platform_));
    for (const Step& step : steps_) {
        add(step.gpa << 8 | static_cast<u64>(step.type)); // of 52 bits
        add(step.pages << 32 ^ step.data.size());
        if (step.type == PageType::vmsa) {
            add(vcpu_of(step).id);
        } else if (is_in_file(step)) {
            add(reinterpret_cast<u64>(step.data.data()));
        } else {
            for (const u8 byte : step.data) {
                add(byte);
            }
        }
    }
    return {one, 0, 0, 0, 0, 0, two};
}

void Search::draw_head() {
    const auto vmsa = std::ranges::find(steps_, PageType::vmsa, &Step::type);
    first_vmsa_     = static_cast<u64>(vmsa - steps_.begin());

    // From the last chain that is still right. Data that lies in no file may have changed in place.
    u64 same = 0;
    while (same < first_vmsa_ && same < drawn_.size() && drawn_[same] == steps_[same]
           && (steps_[same].data.empty() || is_in_file(steps_[same]))) {
        ++same;
    }
    if (chains_.empty()) {
        chains_.emplace_back(platform_);
    }
    const bool snp = platform_ == PlatformType::sev_snp;
    chains_.erase(chains_.begin() + static_cast<std::ptrdiff_t>(same) + 1, chains_.end());
    for (u64 at = same; at < first_vmsa_; ++at) {
        Chain next = chains_.back();
        next.add(steps_[at], snp ? contents(steps_[at]) : Digest384{});
        chains_.push_back(std::move(next));
    }
    drawn_.assign(steps_.begin(), vmsa);
}

void Search::note_tail(u64 visible) {
    altered_.is_noted = false;
    std::swap(tail_, tail_before_);
    tail_.clear();
    for (u64 at = first_vmsa_; at < steps_.size(); ++at) {
        const Step& step   = steps_[at];
        const bool is_vmsa = step.type == PageType::vmsa;
        tail_.push_back({.vcpu     = is_vmsa ? &vcpu_of(step) : nullptr,
                         .type     = step.type,
                         .gpa      = step.gpa,
                         .pages    = step.pages,
                         .contents = is_vmsa ? Digest384{} : contents(step)});
    }
    auto head          = chains_.back().digest();
    const auto before  = std::span(tail_before_).first(visible_);
    const bool goes_on = head == head_ && before.size() <= visible
                         && std::ranges::equal(before, std::span(tail_).first(before.size()));
    family_ += goes_on ? 0 : 1;
    head_    = std::move(head);
    visible_ = visible;
}

KnownLaunches::Key Search::signature() const {
    KnownLaunches::Key signature{};
    std::memcpy(signature.data(), head_.data(), head_.size());
    // What follows is hashed by FNV-1a: with 256 vCPUs it is long.
    u64& hash      = signature.back();
    hash           = 0xCBF2'9CE4'8422'2325;
    const auto add = [&](u64 value) { hash = (hash ^ value) * 0x100'0000'01B3; };
    for (const Tail& step : std::span(tail_).first(visible_)) {
        add(static_cast<u64>(step.type));
        add(step.gpa);
        add(step.pages);
        add(step.vcpu != nullptr ? step.vcpu->id : load<u64>(step.contents));
    }
    return signature;
}

void Search::forget_numbers(u64 count) {
    numbers_ = count;
    ends_.assign(count, std::nullopt);
    for (auto& [key, vcpu] : vcpus_) {
        vcpu.digests.clear();
    }
}

Search::Page Search::varied(const Vcpu& vcpu, const Combination& combination) const {
    x86::Vmsa vmsa = vcpu.vmsa;
    for (const u16 cause : combination.span()) {
        if (vcpu.first ? causes_[cause].first_vcpu : causes_[cause].others) {
            causes_[cause].vmsa(vmsa);
        }
    }
    Page page;
    std::memcpy(page.data(), &vmsa, sizeof(vmsa));
    return page;
}

std::optional<Digest384>& Search::digest_of(Vcpu& vcpu, u64 number) const {
    vcpu.digests.resize(std::max<u64>(vcpu.digests.size(), numbers_));
    return vcpu.digests[number];
}

void Search::hash_vmsas(std::span<const Combination> variations, std::span<const u64> numbers) {
    struct Missing {
        const Vcpu* vcpu;
        u64 number;
        Digest384* digest;
    };

    std::vector<Missing> missing;
    for (const u64 number : numbers) {
        Vcpu* last = nullptr; // vCPUs that are alike follow one another
        for (const Tail& step : std::span(tail_).first(visible_)) {
            if (step.vcpu == nullptr || step.vcpu == last) {
                continue;
            }
            last         = step.vcpu;
            auto& digest = digest_of(*last, number);
            if (!digest) {
                missing.push_back({.vcpu = last, .number = number, .digest = &digest.emplace()});
            }
        }
    }
    // Pages and digests stay where they are until they are hashed.
    pages_.resize(std::max(pages_.size(), missing.size()));
    for (u64 at = 0; at < missing.size(); ++at) {
        const Missing& each = missing[at];
        pages_[at]          = varied(*each.vcpu, variations[each.number]);
        lanes_.add(pages_[at], *each.digest);
    }
    lanes_.finish();
}

Search::Drawn& Search::end_of(u64 number) {
    auto& end = ends_[number];
    if (!end || end->family != family_) {
        end = Drawn{.family = family_, .links = 0, .chain = chains_.back()};
    }
    return *end;
}

/// A link of each chain in turn, since a chain's next one waits for its last. Steps of several
/// pages are left to matches().
void Search::draw_tails(std::span<const u64> numbers) {
    links_.resize(std::max(links_.size(), numbers.size()));
    hashed_.resize(links_.size());
    std::vector<Drawn*> growing;
    u64 first = visible_;
    for (const u64 number : numbers) {
        growing.push_back(&end_of(number));
        first = std::min(first, growing.back()->links);
    }
    const auto grows = [this](const Drawn* end) {
        return end->links < visible_ && tail_[end->links].pages == 1;
    };
    // Variations of one arrangement stand at the same link, but for what came new to it.
    for (u64 link = first; link < visible_; ++link) {
        u64 count = 0;
        for (u64 at = 0; at < growing.size(); ++at) {
            if (growing[at]->links == link && grows(growing[at])) {
                const Tail& step = tail_[link];
                const auto vmsas = step.vcpu != nullptr ? step.vcpu->digests[numbers[at]]
                                                        : std::optional(step.contents);
                links_[count]    = growing[at]->chain.link(steps_[first_vmsa_ + link], 0,
                                                           vmsas.value_or(Digest384{}));
                lanes_.add(links_[count], hashed_[count]);
                ++count;
            }
        }
        lanes_.finish();
        count = 0;
        for (Drawn* const end : growing) {
            if (end->links == link && grows(end)) {
                end->chain.take(hashed_[count++]);
                ++end->links;
            }
        }
    }
}

void Search::draw_ahead(std::span<const Combination> variations, u64 from, u64 to) {
    if (platform_ != PlatformType::sev_snp || current_ != nullptr) {
        return;
    }
    std::vector<u64> numbers;
    for (u64 number = from; number < to; ++number) {
        if (!is_idle(variations[number])) {
            numbers.push_back(number);
        }
    }
    hash_vmsas(variations, numbers);
    constexpr u64 few = 3; // which lanes do not do sooner than one after another
    if (numbers.size() >= few) {
        draw_tails(numbers);
    }
}

void Search::add_varied(Chain& chain, u64 at, const Combination& combination, u64 number) {
    const Step& step = steps_[first_vmsa_ + at];
    Vcpu* const vcpu = tail_[at].vcpu;
    if (vcpu == nullptr) {
        chain.add(step, tail_[at].contents);
        return;
    }
    if (platform_ != PlatformType::sev_snp) {
        const Page page = varied(*vcpu, combination);
        Step altered    = step;
        altered.data    = page;
        chain.add(altered, {});
        return;
    }
    auto& digest = digest_of(*vcpu, number);
    if (!digest) {
        digest = sha384(varied(*vcpu, combination));
    }
    chain.add(step, *digest);
}

void Search::note_alterations() {
    altered_.is_noted  = true;
    altered_.has_first = altered_.has_others = false;
    altered_.first.assign(causes_.size(), false);
    altered_.others.assign(causes_.size(), false);
    const Vcpu* last = nullptr; // vCPUs that are alike follow one another
    for (const Tail& step : std::span(tail_).first(visible_)) {
        if (step.vcpu == nullptr || step.vcpu == last) {
            continue;
        }
        last                                                     = step.vcpu;
        (last->first ? altered_.has_first : altered_.has_others) = true;
        std::vector<bool>& into = last->first ? altered_.first : altered_.others;
        for (u64 cause = 0; cause < causes_.size(); ++cause) {
            into[cause] = into[cause] || last->altered_by[cause];
        }
    }
}

/// Where one of its name for fewer vCPUs, or for all there are, says the same.
bool Search::is_idle(u16 number) const {
    const Cause& cause = causes_[number];
    const bool first   = altered_.first[number];
    const bool others  = altered_.others[number];
    if (!cause.narrower) {
        return !first && !others;
    }
    if (cause.first_vcpu && cause.others) {
        return (!first && altered_.has_first) || (!others && altered_.has_others)
               || (!first && !others);
    }
    return cause.first_vcpu ? !first || !altered_.has_others : !others || !altered_.has_first;
}

bool Search::is_idle(const Combination& combination) {
    if (combination.count != 0 && !altered_.is_noted) {
        note_alterations();
    }
    return std::ranges::any_of(combination.span(), [&](u16 cause) { return is_idle(cause); });
}

std::optional<bool> Search::matches(const Combination& combination, u64 number) {
    if (is_idle(combination)) {
        return std::nullopt;
    }
    if (current_ != nullptr) {
        return question_.matches(current_->chains[visible_]);
    }
    Drawn& end = end_of(number);
    for (; end.links < visible_; ++end.links) {
        add_varied(end.chain, end.links, combination, number);
    }
    return question_.matches(end.chain);
}

} // namespace vestibule::igvm
