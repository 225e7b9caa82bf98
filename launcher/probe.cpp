// See probe.h.
#include "launcher/probe.h"

#include "igvm/explain/vmsa_solver.h"
#include "igvm/format/context_fields.h"
#include "igvm/format/writer.h"
#include "igvm/measure/vcpu_state.h"
#include "launcher/forecast.h"

#include <algorithm>
#include <cstring>
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

bool is_address(u64 offset) {
    const bool is_segment = offset < offsetof(x86::Vmsa, pl0_ssp);
    return is_segment || (offset >= offsetof(x86::Vmsa, star) && offset < offsetof(x86::Vmsa, cr2));
}

/// A segment's attributes with another type: read-only data, execute-only code.
u64 other_attributes(u64 own) { return own ^ 2; }

class Prober {
  public:
    Prober(Calls& calls, const kvm::Host& host, const Session& session)
        : calls_(calls), host_(host), session_(session),
          profile_(igvm::profile_of_kernel(host.release, host.vm_types != 0)) {}

    Probe run() {
        const x86::Vmsa given     = at_start();
        const x86::Vmsa predicted = passed(given);
        const auto measured       = launch(given);
        start_                    = predicted;
        const auto found          = solve(measured, predicted, given, std::nullopt);
        if (!found) {
            throw LaunchError("the measurement of an untouched guest: found none that is a known "
                              "kernel's with up to two registers changed: is the session this "
                              "launch's?");
        }
        Probe result{.release  = host_.release,
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
        for (const igvm::ContextValue& value :
             igvm::context_values(igvm::ContextKind::vmsa, std::array<u8, sizeof(x86::Vmsa)>{})) {
            if (value.offset < offsetof(x86::Vmsa, fpreg_x87)) {
                result.fields.push_back(field(given, value.offset));
            }
        }
        std::ranges::sort(result.fields, {}, &ProbedField::offset);
        result.launches = launches_;
        return result;
    }

  private:
    static std::string name_of(u64 offset) {
        return igvm::context_field_at(igvm::ContextKind::vmsa, offset);
    }

    /// As KVM's own reset leaves a vCPU.
    static x86::Vmsa at_start() {
        x86::Vmsa vmsa = igvm::reset_vmsa(
            igvm::kvm_reset,
            {.start_address = igvm::reset_vector, .cpu_signature = 0x600, .sev_features = 0});
        return vmsa;
    }

    [[nodiscard]] x86::Vmsa passed(x86::Vmsa vmsa) const {
        igvm::pass_through(vmsa, profile_.profile.vmm, PlatformType::sev_es);
        return vmsa;
    }

    Measured launch(const x86::Vmsa& vmsa) {
        const auto file   = file_of(vmsa);
        const auto parsed = igvm::parse(file);
        Plan plan;
        plan.platform       = PlatformType::sev_es;
        plan.machine.memory = u64{1} << 20;
        plan.session        = session_;
        plan.content =
            value_of(igvm::file_content(parsed.value(), PlatformType::sev_es, plan.machine));
        ++launches_;
        const Guest guest(calls_, host_, plan);
        const auto& measured = guest.measured();
        if (!measured) {
            throw LaunchError("an SEV-ES launch without a measurement");
        }
        return *measured;
    }

    /// A page of HLT, and one VMSA.
    static std::vector<u8> file_of(const x86::Vmsa& vmsa) {
        igvm::Writer writer;
        const u32 mask = writer.add_platform(PlatformType::sev_es);
        writer.add_page({.gpa                = page_size,
                         .compatibility_mask = mask,
                         .file_offset        = 0,
                         .flags              = 0,
                         .data_type          = igvm::PageDataType::normal,
                         .reserved           = 0},
                        page());
        std::vector<u8> context(sizeof(vmsa));
        std::memcpy(context.data(), &vmsa, sizeof(vmsa));
        writer.add(igvm::VpContext{.gpa                = x86::vmsa_gpa,
                                   .compatibility_mask = mask,
                                   .file_offset        = 0,
                                   .vp_index           = 0,
                                   .reserved           = 0},
                   context);
        return writer.finish().value();
    }

    static const std::vector<u8>& page() {
        static const std::vector<u8> hlt(page_size, 0xF4);
        return hlt;
    }

    [[nodiscard]] std::optional<std::vector<igvm::VmsaWord>> solve(const Measured& measured,
                                                                   const x86::Vmsa& predicted,
                                                                   const x86::Vmsa& given,
                                                                   std::optional<u64> focus) const {
        igvm::Hasher before(igvm::HashAlgorithm::sha256);
        before.add(page());
        const igvm::VmsaRiddle riddle{
            .predicted = predicted, .given = given, .untouched = start_, .focus = focus};
        return igvm::solve_vmsa(riddle, [&](const x86::Vmsa& guess) {
            std::array<u8, sizeof(guess)> bytes;
            std::memcpy(bytes.data(), &guess, sizeof(guess));
            igvm::Hasher all = before;
            all.add(bytes);
            igvm::Digest256 digest;
            all.finish(digest);
            return confirms(session_, measured, digest);
        });
    }

    static u64 test_value(const x86::Vmsa& start, u64 offset) {
        for (const TestValue& row : test_values) {
            if (row.offset == offset) {
                return row.value;
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
        Measured measured{};
        try {
            measured = launch(given);
        } catch (const LaunchError& error) {
            result.fate         = Fate::refused;
            result.words        = error.what();
            result.as_predicted = would_refuse;
            return result;
        }
        const auto found = solve(measured, predicted, given, offset);
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
             igvm::pass_through(given, profile_.profile.vmm, PlatformType::sev_es)) {
            if (igvm::is_refusal(change.effect->effect)) {
                offsets.push_back(change.offset);
            }
        }
        return offsets;
    }

    Calls& calls_;
    const kvm::Host& host_;
    const Session& session_;
    igvm::KernelProfile profile_;
    x86::Vmsa start_{}; // as it was measured
    std::vector<igvm::VmsaWord> forced_;
    unsigned launches_ = 0;
};

std::string_view name_of(Fate fate) {
    constexpr std::string_view names[] = {"taken", "dropped", "altered", "refused", "unsolved"};
    return names[static_cast<unsigned>(fate)];
}

std::string line_of(const ProbedField& field) {
    std::string line =
        fmt::format("{:<20} {:<8} {:#x}", field.name, name_of(field.fate), field.given);
    if (field.fate == Fate::altered || field.fate == Fate::dropped) {
        line += fmt::format(" becomes {:#x}", field.measured);
    }
    if (!field.words.empty()) {
        line += fmt::format(": {}", field.words);
    }
    return field.as_predicted ? line : line + "   <- not as in the profile";
}
} // namespace

Probe probe(Calls& calls, const kvm::Host& host, const Session& session) {
    const std::string why = kvm::obstacle(calls.kernel, host, abi::VmType::sev_es);
    if (!why.empty()) {
        throw LaunchError(why);
    }
    return Prober(calls, host, session).run();
}

std::string text_of(const Probe& probe) {
    std::string text = fmt::format("kernel {}, held against {}; {} launches\n", probe.release,
                                   probe.profile.words(), probe.launches);
    for (const ProbedField& field : probe.forced) {
        text += fmt::format("{:<20} forced   {:#x}, {:#x} by the profile   <- not as in the "
                            "profile\n",
                            field.name, field.measured, field.given);
    }
    for (const ProbedField& field : probe.fields) {
        text += line_of(field) + "\n";
    }
    const auto others = std::ranges::count(probe.fields, false, &ProbedField::as_predicted)
                        + static_cast<std::ptrdiff_t>(probe.forced.size());
    return text
           + (others == 0 ? fmt::format("this kernel is as {} says\n", probe.profile.profile.name)
                          : fmt::format("{} fields are not as {} says\n", others,
                                        probe.profile.profile.name));
}

nlohmann::ordered_json json_of(const Probe& probe) {
    const auto list = [](const std::vector<ProbedField>& fields) {
        auto result = nlohmann::ordered_json::array();
        for (const ProbedField& field : fields) {
            nlohmann::ordered_json one{
                {"field", field.name},
                {"offset", fmt::format("{:#x}", field.offset)},
                {"fate", name_of(field.fate)},
                {"given", fmt::format("{:#x}", field.given)},
                {"as_predicted", field.as_predicted}
            };
            if (field.fate != Fate::refused && field.fate != Fate::unsolved) {
                one["measured"] = fmt::format("{:#x}", field.measured);
            }
            if (!field.words.empty()) {
                one["words"] = field.words;
            }
            result.push_back(std::move(one));
        }
        return result;
    };
    return {
        {"kernel",   probe.release             },
        {"profile",  probe.profile.profile.name},
        {"verified", probe.profile.verified    },
        {"launches", probe.launches            },
        {"forced",   list(probe.forced)        },
        {"fields",   list(probe.fields)        }
    };
}

std::string rows_of(const Probe& probe) {
    std::string rows = fmt::format("    // Linux {}, where it is not as {} says\n", probe.release,
                                   probe.profile.profile.name);
    const auto add   = [&](const ProbedField& field, std::string_view effect, u64 value,
                         std::string_view who) {
        rows += fmt::format("    {{probed, true, false, Effect::{}, {:#x}, {}, \"{}\"}},\n", effect,
                              value, fmt::format("FIELD({})", field.name), who);
    };
    for (const ProbedField& field : probe.forced) {
        const bool sets = (field.measured & field.given) == field.given;
        add(field, sets ? "set_bits" : "replace",
            sets ? field.measured & ~field.given : field.measured, "KVM forces it");
    }
    for (const ProbedField& field : probe.fields) {
        if (field.as_predicted) {
            continue;
        }
        switch (field.fate) {
        case Fate::taken: rows += fmt::format("    // {}: taken as it is\n", field.name); break;
        case Fate::dropped: add(field, "replace", field.measured, "KVM does not take it"); break;
        case Fate::altered:
            if ((field.measured & ~field.given) == 0) {
                add(field, "clear_bits", field.given & ~field.measured, "KVM cuts it");
            } else if ((field.given & ~field.measured) == 0) {
                add(field, "set_bits", field.measured & ~field.given, "KVM forces it");
            } else {
                add(field, "replace", field.measured, "KVM makes something else of it");
            }
            break;
        case Fate::refused: add(field, "refuse", 0, "KVM refuses it"); break;
        case Fate::unsolved: rows += fmt::format("    // {}: unsolved\n", field.name);
        }
    }
    return rows;
}

} // namespace vestibule::launcher
