// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/places.h"

#include "sevsim/report.h"
#include "sevsim/trace_record.h"
#include "x86/exit_code.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace vestibule::sevsim::attack {

namespace {

/// What makes two moments the same; of I/O the port is left out, as a string's address is.
struct Key {
    u64 code, rip, detail;
    std::string name;

    auto operator<=>(const Key&) const = default;
};

/// Groups moments in the order in which they are met first.
class Grouped {
  public:
    explicit Grouped(std::vector<Moments>& into) : into_{into} {}

    void add(const Key& key) {
        const auto [found, is_new] = index_.try_emplace(key, into_.size());
        if (is_new) {
            into_.push_back({.code = key.code, .rip = key.rip, .at = {}});
        }
        into_[found->second].at.push_back(++count_);
    }

  private:
    std::vector<Moments>& into_;
    std::map<Key, std::size_t> index_;
    u64 count_ = 0;
};

/// Follows forged #VCs: the lie, the #VC that it makes, and the guest's next call. A guest that
/// looks at the instruction asks for its end instead, or gives its own handler an exception.
class Forgeries {
  public:
    void lie(const std::string& name) {
        told_ = name == "vc" || name == "vc-at-entry" || name == "vc-within";
    }

    void vc(u64 code, u64 rip) {
        pending_ = std::exchange(told_, false) ? std::optional{Forged{code, rip}} : std::nullopt;
    }

    /// Of a GHCB page: emulated MMIO goes out by other codes than it comes by. `own_page`: it asks
    /// for that page itself, which a hypervisor can take away as well.
    void call(u64 code, bool own_page, std::vector<Forged>& believed) {
        using x86::ExitCode;
        const bool is_mmio = code == static_cast<u64>(ExitCode::mmio_read)
                             || code == static_cast<u64>(ExitCode::mmio_write);
        if (pending_
            && (pending_->code == code
                || (is_mmio && !own_page && pending_->code == static_cast<u64>(ExitCode::npf)))) {
            believed.push_back(*pending_);
        }
        pending_.reset();
    }

  private:
    bool told_ = false;
    std::optional<Forged> pending_;
};

u64 detail_of(u64 code, u64 info1) {
    constexpr u64 form_of_io = 0xFFFF; // SW_EXITINFO1 of IOIO without the port (section 4.1.2)
    return code == static_cast<u64>(x86::ExitCode::ioio) ? info1 & form_of_io : 0;
}

} // namespace

Places places_of(std::string_view trace) {
    Places places;
    Grouped vcs{places.vcs};
    Grouped vmgexits{places.vmgexits};
    Grouped answers{places.answers};
    Grouped msr_answers{places.msr_answers};
    Forgeries forgeries;
    for_each_line(trace, [&](std::string_view line) {
        const TraceRecord record{line};
        if (!record.is_object()) {
            return;
        }
        const std::string kind = record.kind();
        const u64 rip          = record.number("rip");
        const u64 code         = record.number("code");
        if (kind == "vc") {
            forgeries.vc(code, rip);
            vcs.add({code, rip, detail_of(code, record.number("info1")), ""});
            places.exits.insert(code);
            places.blocks.insert(block_of(rip));
        } else if (kind == "vmgexit") {
            const Key key{code, rip, detail_of(code, record.number("info1")), ""};
            vmgexits.add(key);
            answers.add(key);
            if (code == static_cast<u64>(x86::ExitCode::cpuid)) {
                places.leaves.insert(record.number("rax") & 0xFFFF'FFFF);
            }
            // Its scratch area is in the page.
            const u64 asked = record.number("info1") ^ record.number("scratch");
            forgeries.call(code, asked < page_size, places.believed);
            places.blocks.insert(block_of(rip));
        } else if (kind == "msr") {
            const Key key{0, rip, 0, record.text("name")};
            vmgexits.add(key);
            msr_answers.add(key);
            if (key.name == "CPUID") {
                places.leaves.insert(record.number("request") >> 32);
            }
            places.blocks.insert(block_of(rip));
        } else if (kind == "rmp") {
            places.pages.insert(record.number("rax") & ~(page_size - 1));
        } else {
            if (kind == "lie") {
                forgeries.lie(record.text("name"));
            } else if (kind == "from") {
                places.entries_before = record.number("vmruns");
            }
            return;
        }
        places.seen.insert(place_of(kind + record.text("name"), code, rip));
    });
    return places;
}

bool raises(const Places& honest, const Forged& vc) {
    return std::ranges::any_of(honest.vcs, [&](const Moments& moments) {
        return moments.code == vc.code && moments.rip == vc.rip;
    });
}

} // namespace vestibule::sevsim::attack
