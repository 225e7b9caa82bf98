// SPDX-License-Identifier: BSD-2-Clause-Patent
// See probe.h.
#include "launcher/probe.h"

#include "igvm/explain/vmsa_solver.h"
#include "igvm/format/context_fields.h"
#include "igvm/measure/vcpu_state.h"
#include "launcher/probed_guest.h"

#include <algorithm>
#include <fmt/format.h>

namespace vestibule::launcher {

namespace {
using igvm::PlatformType;

/// What a register is given where it is not free: KVM wants control registers to make sense.
struct TestValue {
    u64 offset;
    u64 value;
};

constexpr TestValue test_values[] = {
    {.offset = offsetof(x86::Vmsa, efer),         .value = x86::efer::nxe             },
    {.offset = offsetof(x86::Vmsa, cr0),          .value = x86::cr0::et | x86::cr0::ne},
    {.offset = offsetof(x86::Vmsa, cr3),          .value = 0x5000                     },
    {.offset = offsetof(x86::Vmsa, cr4),          .value = x86::cr4::pse              },
    {.offset = offsetof(x86::Vmsa, dr6),          .value = 0xFFFF'0FF1                },
    {.offset = offsetof(x86::Vmsa, dr7),          .value = 0x401                      },
    {.offset = offsetof(x86::Vmsa, rflags),       .value = 0x3                        },
    {.offset = offsetof(x86::Vmsa, xcr0),         .value = 3                          },
    {.offset = offsetof(x86::Vmsa, xss),          .value = 0x800                      },
    {.offset = offsetof(x86::Vmsa, g_pat),        .value = 0x0007'0406'0007'0405      },
    {.offset = offsetof(x86::Vmsa, mxcsr),        .value = 0x1FA0                     },
    {.offset = offsetof(x86::Vmsa, x87_fcw),      .value = 0x27F                      },
    {.offset = offsetof(x86::Vmsa, sev_features), .value = 0x20                       },
    {.offset = offsetof(x86::Vmsa, x87_ftw),      .value = 0x11                       }, // abridged: a byte
};

/// With its upper half, which KVM may cut off; and one that is an address in every mode.
constexpr u64 any_value     = 0x8877'6655'4433'2211;
constexpr u64 address_value = 0x0000'7766'5544'3000;

/// On SNP each guess costs a launch: of a field, and of the guest that nobody has touched, which is
/// guessed once.
constexpr u64 most_of_field     = 1'000;
constexpr u64 most_of_untouched = 10'000;

bool is_address(u64 offset) {
    const bool is_segment = offset < offsetof(x86::Vmsa, pl0_ssp);
    return is_segment || (offset >= offsetof(x86::Vmsa, star) && offset < offsetof(x86::Vmsa, cr2));
}

/// A segment's attributes with another type: read-only data, execute-only code.
u64 other_attributes(u64 own) { return own ^ 2; }

std::string name_of(u64 offset) { return igvm::context_field_at(igvm::ContextKind::vmsa, offset); }

/// The offsets of all fields that are probed, in order. FPU registers are none: nobody sets them.
std::vector<u64> all_fields() {
    std::vector<u64> offsets;
    for (const igvm::ContextValue& value :
         igvm::context_values(igvm::ContextKind::vmsa, std::array<u8, sizeof(x86::Vmsa)>{})) {
        if (value.offset < offsetof(x86::Vmsa, fpreg_x87)) {
            offsets.push_back(value.offset);
        }
    }
    std::ranges::sort(offsets);
    return offsets;
}

/// Those of these names, all where there are none.
std::vector<u64> fields_named(const std::vector<std::string>& names) {
    std::vector<u64> offsets = all_fields();
    for (const std::string& name : names) {
        if (std::ranges::find(offsets, name, name_of) == offsets.end()) {
            throw LaunchError(fmt::format(
                "--field: found {}, expected a field of a VMSA such as rdx or cs.attributes",
                name));
        }
    }
    if (!names.empty()) {
        std::erase_if(offsets,
                      [&](u64 offset) { return std::ranges::count(names, name_of(offset)) == 0; });
    }
    return offsets;
}

class Prober {
  public:
    Prober(Calls& calls, const kvm::Host& host, const ProbeOptions& options)
        : guests_(calls, host, options.platform, options.session), platform_(options.platform),
          profile_(igvm::profile_of_kernel(host.release, host.vm_types != 0)) {}

    Probe run(const std::string& release, std::span<const u64> fields) {
        const x86::Vmsa given     = at_start();
        const x86::Vmsa predicted = passed(given);
        const auto is_right       = guests_.launch(given);
        start_                    = predicted;
        const auto found          = igvm::solve_vmsa({.predicted    = predicted,
                                                      .given        = given,
                                                      .untouched    = predicted,
                                                      .focus        = std::nullopt,
                                                      .most_guesses = limit(most_of_untouched)},
                                                     is_right);
        if (!found) {
            throw LaunchError(
                platform_ == PlatformType::sev_snp
                    ? "the measurement of an untouched guest: found none that is a known kernel's "
                      "with one register changed"
                    : "the measurement of an untouched guest: found none that is a known kernel's "
                      "with up to two registers changed: is the session this launch's?");
        }
        Probe result{.release  = release,
                     .platform = platform_,
                     .profile  = profile_,
                     .forced   = {},
                     .fields   = {},
                     .launches = 0};
        for (const igvm::VmsaWord& word : *found) {
            result.forced.push_back({.name         = name_of(word.offset),
                                     .offset       = word.offset,
                                     .fate         = Fate::altered,
                                     .given        = igvm::word_of(predicted, word.offset),
                                     .measured     = word.value,
                                     .words        = {},
                                     .as_predicted = false});
            igvm::set_word(start_, word.offset, word.value);
        }
        forced_ = *found;
        for (const u64 offset : fields) {
            result.fields.push_back(field(given, offset));
        }
        result.launches = guests_.launches();
        return result;
    }

  private:
    [[nodiscard]] u64 limit(u64 of_snp) const {
        return platform_ == PlatformType::sev_snp ? of_snp : ~u64{0};
    }

    /// As KVM's own reset leaves a vCPU.
    [[nodiscard]] x86::Vmsa at_start() const {
        return igvm::reset_vmsa(igvm::kvm_reset,
                                {.start_address = igvm::reset_vector,
                                 .cpu_signature = 0x600,
                                 .sev_features  = platform_ == PlatformType::sev_snp ? 1u : 0u});
    }

    [[nodiscard]] x86::Vmsa passed(x86::Vmsa vmsa) const {
        igvm::pass_through(vmsa, profile_.profile.vmm, platform_);
        return vmsa;
    }

    static u64 test_value(const x86::Vmsa& start, u64 offset) {
        for (const TestValue& row : test_values) {
            if (row.offset == offset) {
                const bool features = offset == offsetof(x86::Vmsa, sev_features);
                return row.value | (features ? start.sev_features : 0); // SNP's own bit stays
            }
        }
        x86::Vmsa filled = start;
        const bool is_attributes =
            offset < offsetof(x86::Vmsa, pl0_ssp)
            && offset % sizeof(x86::Segment) == offsetof(x86::Segment, attributes);
        igvm::set_word(filled, offset,
                       is_attributes        ? other_attributes(igvm::word_of(start, offset))
                       : is_address(offset) ? address_value
                                            : any_value);
        return igvm::word_of(filled, offset); // as much of it as there is room for
    }

    ProbedField field(const x86::Vmsa& start, u64 offset) {
        x86::Vmsa given = start;
        ProbedField result{.name         = name_of(offset),
                           .offset       = offset,
                           .fate         = Fate::unsolved,
                           .given        = test_value(start, offset),
                           .measured     = 0,
                           .words        = {},
                           .as_predicted = false};
        igvm::set_word(given, offset, result.given);
        x86::Vmsa predicted = passed(given);
        for (const igvm::VmsaWord& word : forced_) {
            igvm::set_word(predicted, word.offset, word.value);
        }
        const bool would_refuse =
            std::ranges::any_of(refusals(given), [&](u64 at) { return at == offset; });
        igvm::VmsaMatch is_right;
        try {
            is_right = guests_.launch(given);
        } catch (const LaunchError& error) {
            result.fate         = Fate::refused;
            result.words        = error.what();
            result.as_predicted = would_refuse;
            return result;
        }
        const auto found = igvm::solve_vmsa({.predicted    = predicted,
                                             .given        = given,
                                             .untouched    = start_,
                                             .focus        = offset,
                                             .most_guesses = limit(most_of_field)},
                                            is_right);
        if (!found) {
            return result;
        }
        result.measured = igvm::word_of(predicted, offset);
        for (const igvm::VmsaWord& word : *found) {
            result.measured = word.offset == offset ? word.value : result.measured;
            if (word.offset != offset) {
                result.words += fmt::format("{}{} becomes {:#x}", result.words.empty() ? "" : ", ",
                                            name_of(word.offset), word.value);
            }
        }
        result.as_predicted = found->empty() && !would_refuse;
        result.fate         = result.measured == result.given                    ? Fate::taken
                              : result.measured == igvm::word_of(start_, offset) ? Fate::dropped
                                                                                 : Fate::altered;
        return result;
    }

    /// Where the profile says that the kernel refuses.
    [[nodiscard]] std::vector<u64> refusals(x86::Vmsa given) const {
        std::vector<u64> offsets;
        for (const igvm::VmsaChange& change :
             igvm::pass_through(given, profile_.profile.vmm, platform_)) {
            if (igvm::is_refusal(change.effect->effect)) {
                offsets.push_back(change.offset);
            }
        }
        return offsets;
    }

    ProbedGuests guests_;
    PlatformType platform_;
    igvm::KernelProfile profile_;
    x86::Vmsa start_{}; // as it was measured
    std::vector<igvm::VmsaWord> forced_;
};
} // namespace

Probe probe(Calls& calls, const kvm::Host& host, const ProbeOptions& options) {
    const std::vector<u64> fields = fields_named(options.fields);
    const bool snp                = options.platform == PlatformType::sev_snp;
    const std::string why =
        kvm::obstacle(calls.kernel, host, snp ? abi::VmType::snp : abi::VmType::sev_es);
    if (!why.empty()) {
        throw LaunchError(why);
    }
    return Prober(calls, host, options).run(host.release, fields);
}

} // namespace vestibule::launcher
