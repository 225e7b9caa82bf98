// SPDX-License-Identifier: BSD-2-Clause-Patent
// How each lie is drawn for a plan: one table, a row a lie, in the order of sevsim/lies.h. Which
// moments it counts, what its number stands for, and which published attack it is or resembles.
#pragma once

#include "sevsim/attack/places.h"
#include "sevsim/attack/plans.h"
#include "sevsim/attack/random.h"

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::sevsim::attack {

/// What `@N` counts.
enum class Moment : u8 {
    none,
    vc,         ///< #VCs
    entry,      ///< entries of the guest
    vmgexit,    ///< VMGEXITs of either protocol
    answer,     ///< answers through a GHCB page
    msr_answer, ///< answers of the MSR protocol
    time,       ///< times of what the number says, of which the first few are drawn
    kind,       ///< nothing: it is the exit code of a #VC
};

/// What the number behind the colon is drawn from.
enum class Number : u8 {
    none,
    exit_code,
    event,    ///< an EVENTINJ word (APM volume 2, section 15.20)
    msr,      ///< one that lives in the VMSA, whose value no hypervisor has a say in
    reason,   ///< of malformed input (GHCB specification, section 4.1)
    page,     ///< of the guest's
    item,     ///< of fw_cfg, whose hash is measured
    features, ///< of the hypervisor
    flips,    ///< an offset and bits that are changed there
    verdicts, ///< the same of the words by which a GHCB answer is judged
    value,    ///< of a field of the GHCB page
    bits,     ///< of a word of 64 bits
    leaf,     ///< a CPUID function of the guest's, and bits of its answer
    shared,   ///< the GHCB page: 0
    vcpu,     ///< the first or the second
    choice,   ///< 1 to `most`
};

/// What is falsified, and so what a guest that goes on may show.
enum class Data : u8 {
    guests,      ///< what the guest can know better: it has to come to the same
    hypervisors, ///< what is the hypervisor's to say: other output is no wrong result
    malformed,   ///< an answer that no honest hypervisor gives: a guest that goes on has not looked
};

struct Draw {
    Lie lie;
    Moment moment;
    Number number;
    u64 most;              ///< of Number::choice, or the largest K; 0: neither
    bool snp;              ///< only SEV-SNP guests can be told it
    Data data;             ///< what a run that goes on has to show
    const char* published; ///< empty: none that this table knows
};

// clang-format off
inline constexpr Draw draws[] = {
    {Lie::cbit_position,        Moment::none,        Number::none,         0, false, Data::guests,      "C-bit faked (SEV-ES threat model)"},
    {Lie::cbit_information,     Moment::none,        Number::none,         0, false, Data::guests,      "C-bit faked"},
    {Lie::cbit_cpuid,           Moment::none,        Number::none,         0, false, Data::guests,      "C-bit faked"},
    {Lie::cbit_no_effect,       Moment::none,        Number::none,         0, false, Data::malformed,   "memory not encrypted"},
    {Lie::response_code,        Moment::none,        Number::none,         0, false, Data::malformed,   ""},
    {Lie::cpuid_register,       Moment::none,        Number::none,         0, false, Data::malformed,   ""},
    {Lie::no_sev,               Moment::none,        Number::none,         0, false, Data::guests,      "CPUID unchecked (Undeserved Trust, 2021)"},
    {Lie::no_sev_es,            Moment::none,        Number::none,         0, false, Data::hypervisors, "CPUID unchecked"},
    {Lie::no_information,       Moment::none,        Number::none,         0, false, Data::guests,      ""},
    {Lie::status_gp,            Moment::none,        Number::none,         0, false, Data::guests,      ""},
    {Lie::looks_native,         Moment::none,        Number::none,         0, false, Data::hypervisors, "SEV hidden from the guest"},
    {Lie::exitinfo1_upper,      Moment::none,        Number::none,         0, false, Data::guests,      ""},
    {Lie::rdpmc_gp,             Moment::none,        Number::none,         0, false, Data::hypervisors, ""},
    {Lie::debug_swap,           Moment::none,        Number::none,         0, false, Data::hypervisors, ""},
    {Lie::port_data,            Moment::none,        Number::none,         0, false, Data::hypervisors, "I/O unchecked (Undeserved Trust)"},
    {Lie::tsc_exits,            Moment::none,        Number::none,         0, false, Data::hypervisors, ""},
    {Lie::vc_instead,           Moment::vc,          Number::exit_code,    0, false, Data::guests,      "WeSee (CVE-2024-25742)"},
    {Lie::vc_at_entry,          Moment::entry,       Number::exit_code,    0, false, Data::guests,      "WeSee (CVE-2024-25742)"},
    {Lie::vc_within,            Moment::vc,          Number::exit_code,  260, false, Data::guests,      "WeSee (CVE-2024-25742)"},
    {Lie::event,                Moment::entry,       Number::event,        0, false, Data::guests,      "Heckler (CVE-2024-25743, CVE-2024-25744)"},
    {Lie::event_within,         Moment::vc,          Number::event,      260, false, Data::guests,      "Heckler, WeSee"},
    {Lie::event_walk,           Moment::kind,        Number::event,        0, false, Data::guests,      "Heckler, WeSee"},
    {Lie::msr,                  Moment::none,        Number::msr,          0, false, Data::guests,      "WeSee (CVE-2024-25742)"},
    {Lie::msr_within,           Moment::vc,          Number::msr,        260, false, Data::guests,      "WeSee (CVE-2024-25742)"},
    {Lie::exception,            Moment::answer,      Number::event,        0, false, Data::guests,      "Heckler"},
    {Lie::refused,              Moment::answer,      Number::reason,       0, false, Data::guests,      ""},
    {Lie::unanswered,           Moment::vmgexit,     Number::none,         0, false, Data::guests,      "stale answer"},
    {Lie::nmi,                  Moment::vmgexit,     Number::none,         0, false, Data::guests,      "NMI in the #VC handler"},
    {Lie::vnmi,                 Moment::vmgexit,     Number::none,         0, false, Data::guests,      "NMI in the #VC handler"},
    {Lie::termination_returns,  Moment::none,        Number::none,         0, false, Data::guests,      ""},
    {Lie::psc_interrupted,      Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::psc_refused,          Moment::none,        Number::none,         0, true,  Data::malformed,   ""},
    {Lie::fw_cfg_altered,       Moment::none,        Number::item,         0, false, Data::guests,      "kernel of the direct boot exchanged"},
    {Lie::request_busy,         Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::request_lost,         Moment::none,        Number::none,         0, true,  Data::guests,      "guest message withheld"},
    {Lie::request_again,        Moment::none,        Number::none,         0, true,  Data::guests,      "guest message replayed"},
    {Lie::answer_again,         Moment::none,        Number::none,         0, true,  Data::malformed,   "guest message replayed"},
    {Lie::answer_spoilt,        Moment::none,        Number::none,         0, true,  Data::malformed,   ""},
    {Lie::certificates_size,    Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::certificates_table,   Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::vcpu_not_started,     Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::vcpu_not_destroyed,   Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::vcpu_other_vmsa,      Moment::none,        Number::none,         0, true,  Data::guests,      "VMSA exchanged"},
    {Lie::vcpu_vmsa_altered,    Moment::none,        Number::none,         0, true,  Data::guests,      "VMSA altered"},
    {Lie::vcpu_launch_state,    Moment::none,        Number::none,         0, true,  Data::guests,      "VMSA replayed"},
    {Lie::svsm_not_run,         Moment::none,        Number::none,         0, true,  Data::malformed,   ""},
    {Lie::page_taken,           Moment::vmgexit,     Number::page,         0, true,  Data::guests,      "page unmapped (SEVered, CVE-2020-12967)"},
    {Lie::page_replaced,        Moment::vmgexit,     Number::page,         0, true,  Data::guests,      "page remapped (SEVered)"},
    {Lie::page_swapped,         Moment::vmgexit,     Number::page,         0, true,  Data::guests,      "pages swapped (SEVered)"},
    {Lie::page_validated,       Moment::vmgexit,     Number::page,         0, true,  Data::guests,      "page validated twice"},
    {Lie::list_small,           Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::list_undone,          Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::list_stuck,           Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::list_header,          Moment::none,        Number::choice,       4, true,  Data::malformed,   ""},
    {Lie::msr_undone,           Moment::none,        Number::none,         0, true,  Data::guests,      ""},
    {Lie::features,             Moment::none,        Number::features,     0, true,  Data::guests,      ""},
    {Lie::answers_spoilt,       Moment::none,        Number::none,         0, true,  Data::malformed,   ""},
    {Lie::registration,         Moment::none,        Number::none,         0, true,  Data::malformed,   ""},
    {Lie::cpuid_page,           Moment::none,        Number::choice,       6, true,  Data::malformed,   "CPUID page altered"},
    {Lie::field_flip,           Moment::answer,      Number::flips,        0, false, Data::hypervisors, ""},
    {Lie::field_set,            Moment::answer,      Number::value,        0, false, Data::hypervisors, ""},
    {Lie::field_race,           Moment::vmgexit,     Number::verdicts,    40, false, Data::guests,      "GHCB changed between two reads"},
    {Lie::answer_stale,         Moment::answer,      Number::none,         0, false, Data::hypervisors, "stale answer"},
    {Lie::answer_late,          Moment::answer,      Number::none,         0, false, Data::hypervisors, "stale answer"},
    {Lie::answer_doubled,       Moment::answer,      Number::none,         0, false, Data::hypervisors, ""},
    {Lie::answer_of_other,      Moment::answer,      Number::exit_code,    0, false, Data::hypervisors, ""},
    {Lie::msr_flip,             Moment::msr_answer,  Number::bits,         0, false, Data::hypervisors, ""},
    {Lie::msr_stale,            Moment::msr_answer,  Number::none,         0, false, Data::hypervisors, "stale answer"},
    {Lie::cpuid_flip,           Moment::time,        Number::leaf,         4, false, Data::hypervisors, "CPUID unchecked (Undeserved Trust)"},
    {Lie::cpuid_entry_flip,     Moment::time,        Number::leaf,         4, true,  Data::hypervisors, "CPUID page altered"},
    {Lie::secrets_flip,         Moment::none,        Number::flips,        0, true,  Data::guests,      ""},
    {Lie::message_flip,         Moment::time,        Number::flips,        0, true,  Data::guests,      ""},
    {Lie::storm,                Moment::entry,       Number::event,       64, false, Data::guests,      "Heckler (CVE-2024-25743)"},
    {Lie::init,                 Moment::entry,       Number::none,         0, false, Data::guests,      ""},
    {Lie::init_storm,           Moment::entry,       Number::vcpu,        64, false, Data::guests,      "INIT, SIPI of the hypervisor's (GHCB specification, 4.3)"},
    {Lie::sipi_storm,           Moment::entry,       Number::vcpu,        64, false, Data::guests,      "INIT, SIPI of the hypervisor's (GHCB specification, 4.3)"},
    {Lie::tsc_back,             Moment::vmgexit,     Number::bits,         0, false, Data::hypervisors, ""},
    {Lie::tsc_still,            Moment::entry,       Number::none,         0, false, Data::hypervisors, ""},
    {Lie::shared_other,         Moment::vmgexit,     Number::shared,       0, false, Data::hypervisors, "shared page remapped"},
    {Lie::shared_replayed,      Moment::vmgexit,     Number::shared,       0, false, Data::hypervisors, "shared page replayed"},
    {Lie::shared_unmapped,      Moment::vmgexit,     Number::shared,       0, false, Data::guests,      "shared page unmapped"},
};
// clang-format on

namespace detail {
/// A row for each lie, so that none is added which no campaign draws.
constexpr bool covers_all_lies() {
    constexpr size_t count = sizeof lies / sizeof lies[0];
    if (sizeof draws / sizeof draws[0] != count) {
        return false;
    }
    for (size_t n = 0; n < count; ++n) {
        if (draws[n].lie != lies[n].lie) {
            return false;
        }
        const LieForm form    = lies[n].form;
        const bool takes_at   = takes_moment(form);
        const bool takes_code = form != LieForm::plain && form != LieForm::at;
        if ((draws[n].moment != Moment::none) != takes_at
            || (draws[n].number != Number::none) != takes_code) {
            return false;
        }
    }
    return true;
}
} // namespace detail

static_assert(detail::covers_all_lies());

constexpr const Draw& draw_of(Lie lie) { return draws[static_cast<size_t>(lie) - 1]; }

/// What such a lie falsifies. A size in the CPUID page that nobody goes by is the hypervisor's.
constexpr Data data_of(const Hostility& lie) {
    constexpr u64 size_of_a_state = 6;
    return lie.lie == Lie::cpuid_page && lie.code == size_of_a_state ? Data::hypervisors
                                                                     : draw_of(lie.lie).data;
}

/// A lie that is drawn, with its number where that is given: then only moments are drawn.
struct Kind {
    Lie lie = Lie::none;
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::optional<u64> number{};

    bool operator==(const Kind&) const = default;
};

/// Of "NAME" or "NAME:NUMBER"; in words what is wrong with it.
std::expected<Kind, std::string> kind_of(std::string_view text);

/// As kind_of() takes it.
std::string name_of(const Kind& kind);

/// What a campaign draws from.
struct Drawing {
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::vector<Kind> kinds{}; ///< empty: all that the platform has
    bool snp      = false;
    bool late     = false; ///< the guest is loaded, and runs
    bool uniform  = false; ///< moments by their number alone, as if nothing were known of places
    unsigned most = 1;     ///< lies in a plan
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::vector<Lies> corpus{}; ///< plans of earlier campaigns that reached something
};

/// The kinds that are drawn: those asked for that this guest has moments for.
std::vector<Kind> kinds_for(const Drawing& drawing, const Places& places);

/// One lie, aimed at a place; nothing where the guest has no moment for it.
std::optional<Hostility> draw_lie(Random& random, const Kind& kind, const Drawing& drawing,
                                  const Places& places);

/// Plan `number` of a seed: the same for the same drawing and the same honest run, whoever draws
/// it, and whatever was drawn before. Its first lie is of each kind in turn, unless it is made of
/// one of the corpus. Empty where there is no kind to draw.
Lies draw_plan(u64 seed, u64 number, const Drawing& drawing, const Places& places);

} // namespace vestibule::sevsim::attack
