// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a hostile hypervisor can be told to do (`sevsim run --hostile LIE`): one table, read by the
// host command, which checks and explains it, and by the monitor, which does it. Freestanding: no
// library beyond x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

enum class Lie : u8 {
    none,
    cbit_position,
    cbit_information,
    cbit_cpuid,
    cbit_no_effect,
    response_code,
    cpuid_register,
    no_sev,
    no_sev_es,
    no_information,
    status_gp,
    looks_native,
    exitinfo1_upper,
    rdpmc_gp,
    debug_swap,
    port_data,
    tsc_exits,
    vc_instead,
    vc_at_entry,
    vc_within,
    event,
    event_within,
    event_walk,
    msr,
    msr_within,
    exception,
    refused,
    unanswered,
    nmi,
    vnmi,
    termination_returns,
    psc_interrupted,
    psc_refused,
    fw_cfg_altered,
    request_busy,
    request_lost,
    request_again,
    answer_again,
    answer_spoilt,
    certificates_size,
    certificates_table,
    vcpu_not_started,
    vcpu_not_destroyed,
    vcpu_other_vmsa,
    vcpu_vmsa_altered,
    vcpu_launch_state,
    svsm_not_run,
    page_taken,
    page_replaced,
    page_swapped,
    page_validated,
    list_small,
    list_undone,
    list_stuck,
    list_header,
    msr_undone,
    features,
    answers_spoilt,
    registration,
    cpuid_page,
    field_flip,
    field_set,
    field_race,
    answer_stale,
    answer_late,
    answer_doubled,
    answer_of_other,
    msr_flip,
    msr_stale,
    cpuid_flip,
    cpuid_entry_flip,
    secrets_flip,
    message_flip,
    storm,
    init,
    init_storm,
    sipi_storm,
    tsc_back,
    tsc_still,
    shared_other,
    shared_replayed,
    shared_unmapped,
};

/// What stands behind a lie's name.
enum class LieForm : u8 {
    plain,       // nothing
    at,          // @N: when; the first time is 1
    code,        // :CODE: a number of 32 bits
    word,        // :WORD: the same with 64 bits
    code_at,     // :CODE@N: an exit code, and when
    word_at,     // :WORD@N: the same with 64 bits
    code_within, // :CODE@N+K: an exit code, and at which instruction behind what
    word_within, // :WORD@N+K: the same with 64 bits
};

/// Whether it takes +K.
constexpr bool is_within(LieForm form) {
    return form == LieForm::code_within || form == LieForm::word_within;
}

/// Whether it takes @N.
constexpr bool takes_moment(LieForm form) {
    return form != LieForm::plain && form != LieForm::code && form != LieForm::word;
}

/// Whether its number has 64 bits.
constexpr bool takes_word(LieForm form) {
    return form == LieForm::word || form == LieForm::word_at || form == LieForm::word_within;
}

struct LieDescription {
    Lie lie;
    LieForm form;
    const char* name;
    const char* what; ///< what the hypervisor does
};

// clang-format off
inline constexpr LieDescription lies[] = {
    {Lie::cbit_position,  LieForm::plain,   "cbit-position",  "SEV information and CPUID report another C-bit position"},
    {Lie::cbit_information, LieForm::plain, "cbit-information", "SEV information alone reports another C-bit position"},
    {Lie::cbit_cpuid,     LieForm::plain,   "cbit-cpuid",     "CPUID 0x8000001F alone reports another C-bit position"},
    {Lie::cbit_no_effect, LieForm::plain,   "cbit-no-effect", "private and shared view show the same memory"},
    {Lie::response_code,  LieForm::plain,   "response-code",  "the MSR protocol's CPUID answers carry a wrong response code"},
    {Lie::cpuid_register, LieForm::plain,   "cpuid-register", "the MSR protocol's CPUID answers echo another register"},
    {Lie::no_sev,         LieForm::plain,   "no-sev",         "CPUID 0x8000001F hides SEV"},
    {Lie::no_sev_es,      LieForm::plain,   "no-sev-es",      "CPUID 0x8000001F hides SEV-ES alone"},
    {Lie::no_information, LieForm::plain,   "no-information", "of the MSR protocol there are CPUID and termination, and no NMI complete: SEV information ends the guest"},
    {Lie::status_gp,      LieForm::plain,   "status-gp",      "RDMSR of SEV_STATUS ends in a #GP, as on a processor without SEV"},
    {Lie::looks_native,   LieForm::plain,   "looks-native",   "the same, and CPUID is the processor's own and raises no #VC"},
    {Lie::exitinfo1_upper, LieForm::plain,  "exitinfo1-upper", "bits 63:32 of SW_EXITINFO1 of each good answer are set, which mean nothing"},
    {Lie::rdpmc_gp,       LieForm::plain,   "rdpmc-gp",       "RDPMC of a counter that is not there is answered by a #GP behind VMGEXIT, as KVM does"},
    {Lie::debug_swap,     LieForm::plain,   "debug-swap",     "SEV_STATUS shows DebugSwap, and MOV from and to DR7 raise #VC all the same"},
    {Lie::port_data,      LieForm::plain,   "port-data",      "IN from the DMA page registers answers one bit wrong"},
    {Lie::tsc_exits,      LieForm::plain,   "tsc-exits",      "RDTSC and RDTSCP raise #VC, which under KVM they do not"},
    {Lie::vc_instead,     LieForm::code_at, "vc",             "the guest's N-th #VC comes with exit code CODE instead of its own"},
    {Lie::vc_at_entry,    LieForm::code_at, "vc-at-entry",    "a #VC with exit code CODE when the guest is entered for the N-th time"},
    {Lie::vc_within,      LieForm::code_within, "vc-within",  "a #VC with exit code CODE at the K-th instruction from the delivery of the N-th #VC on"},
    {Lie::event,          LieForm::word_at, "event",          "the event of EVENTINJ word WORD when the guest is entered for the N-th time"},
    {Lie::event_within,   LieForm::word_within, "event-within", "the event of EVENTINJ word WORD at the K-th instruction from the delivery of the N-th #VC on"},
    {Lie::event_walk,     LieForm::word_at, "event-walk",     "the event of EVENTINJ word WORD at the first instruction from the delivery of a #VC of exit code N on, at the second of the next such #VC, and so forth, up to the 512th"},
    {Lie::msr,            LieForm::code,    "msr",            "MSR number CODE is intercepted whatever it is, and its answers are made up"},
    {Lie::msr_within,     LieForm::code_within, "msr-within", "MSR number CODE is intercepted from the K-th instruction from the delivery of the N-th #VC on"},
    {Lie::exception,      LieForm::word_at, "exception",      "the N-th answer through the GHCB page asks for the exception of EVENTINJ word WORD"},
    {Lie::refused,        LieForm::code_at, "refused",        "the N-th answer through the GHCB page is that the input is malformed, for reason CODE"},
    {Lie::unanswered,     LieForm::at,      "unanswered",     "the guest goes on behind its N-th VMGEXIT, and nobody has looked at what it asked for"},
    {Lie::nmi,            LieForm::at,      "nmi",            "an NMI right before the N-th VMGEXIT, one more after NMI complete"},
    {Lie::vnmi,           LieForm::at,      "vnmi",           "an NMI right before the N-th VMGEXIT, one more behind the next IRET, as hosts with vNMI may"},
    {Lie::termination_returns, LieForm::plain, "termination-returns", "the guest goes on behind its termination request, 64 times"},
    {Lie::psc_interrupted, LieForm::plain,  "psc-interrupted", "SEV-SNP: a page state change breaks off after each entry, as it may"},
    {Lie::psc_refused,     LieForm::plain,  "psc-refused",    "SEV-SNP: page state changes by the MSR protocol are answered by an error"},
    {Lie::fw_cfg_altered,  LieForm::code,   "fw-cfg-altered", "the first bit of fw_cfg item CODE is another one than the launch has hashed"},
    {Lie::request_busy, LieForm::plain, "request-busy", "SEV-SNP: every other guest request is answered by busy, as a host that throttles does"},
    {Lie::request_lost,    LieForm::plain,  "request-lost",   "SEV-SNP: the second guest request is carried to the secure processor, its answer is lost, and the guest is told busy"},
    {Lie::request_again,   LieForm::plain,  "request-again",  "SEV-SNP: instead of the second guest request the secure processor gets the first one again"},
    {Lie::answer_again,    LieForm::plain,  "answer-again",   "SEV-SNP: the second guest request is answered by the first one's answer"},
    {Lie::answer_spoilt,   LieForm::plain,  "answer-spoilt",  "SEV-SNP: one bit of the secure processor's second answer is changed"},
    {Lie::certificates_size, LieForm::plain, "certificates-size", "SEV-SNP: certificates want 2^52 pages, however many there are"},
    {Lie::certificates_table, LieForm::plain, "certificates-table", "SEV-SNP: an entry of the table of certificates points beyond its pages"},
    {Lie::vcpu_not_started, LieForm::plain, "vcpu-not-started", "SEV-SNP: AP creation is answered by success, and no vCPU starts"},
    {Lie::vcpu_not_destroyed, LieForm::plain, "vcpu-not-destroyed", "SEV-SNP: a vCPU's end is answered by success, and it runs on"},
    {Lie::vcpu_other_vmsa, LieForm::plain,  "vcpu-other-vmsa", "SEV-SNP: AP creation runs the vCPU from the page behind the VMSA that it names"},
    {Lie::vcpu_vmsa_altered, LieForm::plain, "vcpu-vmsa-altered", "SEV-SNP: AP creation puts a page of the hypervisor's in the place of the VMSA, of the same state but for RIP, and runs the vCPU from that"},
    {Lie::vcpu_launch_state, LieForm::plain, "vcpu-launch-state", "SEV-SNP: AP creation is answered by success, and the vCPU is run from the state of its launch"},
    {Lie::svsm_not_run,    LieForm::plain,  "svsm-not-run",   "SEV-SNP: RUN_VMPL of VMPL 0 is answered by success, and the caller goes on"},
    {Lie::page_taken,     LieForm::word_at, "page-taken",     "SEV-SNP: at the N-th VMGEXIT the hypervisor takes the page at WORD from the guest"},
    {Lie::page_replaced,  LieForm::word_at, "page-replaced",  "SEV-SNP: at the N-th VMGEXIT it puts a fresh page in the place of the one at WORD"},
    {Lie::page_swapped,   LieForm::word_at, "page-swapped",   "SEV-SNP: at the N-th VMGEXIT it maps the page at WORD where the next one is, and that one there"},
    {Lie::page_validated, LieForm::word_at, "page-validated", "SEV-SNP: at the N-th VMGEXIT the 2 MiB around WORD become such that are validated already"},
    {Lie::list_small,     LieForm::plain,   "list-small",     "SEV-SNP: page state changes of 2 MiB assign 4 KiB pages"},
    {Lie::list_undone,    LieForm::plain,   "list-undone",    "SEV-SNP: of a list of page state changes the first is done, and all are said to be"},
    {Lie::list_stuck,     LieForm::plain,   "list-stuck",     "SEV-SNP: page state changes break off before the first, for ever"},
    {Lie::list_header,    LieForm::code,    "list-header",    "SEV-SNP: the header of a list of page state changes comes back wrong: 1 further back than it was, 2 with a last entry more, 3 beyond the last, 4 with a reserved bit"},
    {Lie::msr_undone,     LieForm::plain,   "msr-undone",     "SEV-SNP: page state changes by the MSR protocol are said to be done, and are not"},
    {Lie::features,       LieForm::code,    "features",       "SEV-SNP: hypervisor features are told as CODE"},
    {Lie::answers_spoilt, LieForm::plain,   "answers-spoilt", "SEV-SNP: one bit of each answer of the secure processor is changed"},
    {Lie::registration,   LieForm::plain,   "registration",   "SEV-SNP: another page than the asked for is registered as GHCB"},
    {Lie::cpuid_page,     LieForm::code,    "cpuid-page",     "SEV-SNP: the CPUID page lies: 1 by its count, 2 by a function that is there twice, 3 by no SEV-SNP, 4 by another C-bit, 5 in a reserved word, 6 by the size of a state"},
    // Of FLIPS bits 51:0 are changed in the 8 bytes at the offset that bits 63:52 say.
    {Lie::field_flip,     LieForm::word_at, "field-flip",     "the N-th answer through the GHCB page is changed by FLIPS WORD: a field, a valid bit, the shared buffer"},
    {Lie::field_set,      LieForm::word_within, "field-set",  "in the N-th answer through the GHCB page the field at offset K is WORD, and valid"},
    {Lie::field_race,     LieForm::word_within, "field-race", "the GHCB page is changed by FLIPS WORD when the guest stands at the K-th instruction behind its N-th VMGEXIT, between two of its reads"},
    {Lie::answer_stale,   LieForm::at,      "answer-stale",   "the N-th answer through the GHCB page is the one before it once more"},
    {Lie::answer_late,    LieForm::at,      "answer-late",    "the N-th call through the GHCB page is answered with the next one, whose own answer is lost"},
    {Lie::answer_doubled, LieForm::at,      "answer-doubled", "the N-th call through the GHCB page is served twice"},
    {Lie::answer_of_other, LieForm::code_at, "answer-of-other", "the N-th call through the GHCB page is served as if its exit code were CODE"},
    {Lie::msr_flip,       LieForm::word_at, "msr-flip",       "in the N-th answer of the MSR protocol the bits of WORD are changed"},
    {Lie::msr_stale,      LieForm::at,      "msr-stale",      "the N-th answer of the MSR protocol is the one before it once more"},
    {Lie::cpuid_flip,     LieForm::word_within, "cpuid-flip", "from the N-th time on that function [63:32] of WORD is asked for, bits [31:0] of register K are changed (1 EAX to 4 EDX)"},
    {Lie::cpuid_entry_flip, LieForm::word_within, "cpuid-entry-flip", "SEV-SNP: in the N-th entry that the CPUID page has for function [63:32] of WORD, bits [31:0] of register K are changed"},
    {Lie::secrets_flip,   LieForm::word,    "secrets-flip",   "SEV-SNP: the secrets page is changed by FLIPS WORD"},
    {Lie::message_flip,   LieForm::word_at, "message-flip",   "SEV-SNP: the secure processor's N-th answer is changed by FLIPS WORD, its header or what is encrypted"},
    {Lie::storm,          LieForm::word_within, "storm",      "the event of EVENTINJ word WORD each time that the guest is entered, K times from the N-th on"},
    {Lie::init,           LieForm::at,      "init",           "an INIT when the guest is entered for the N-th time"},
    {Lie::init_storm,     LieForm::code_within, "init-storm",  "an INIT to vCPU CODE each time that a vCPU is entered, K times from the N-th on, and a SIPI behind the last"},
    {Lie::sipi_storm,     LieForm::code_within, "sipi-storm",  "a SIPI to vCPU CODE each time that a vCPU is entered, K times from the N-th on, whatever it waits for"},
    {Lie::tsc_back,       LieForm::word_at, "tsc-back",       "at the N-th VMGEXIT the guest's time-stamp counter steps back by WORD"},
    {Lie::tsc_still,      LieForm::at,      "tsc-still",      "from the N-th entry on the guest's time-stamp counter begins with the same value at each"},
    {Lie::shared_other,   LieForm::word_at, "shared-other",   "at the N-th VMGEXIT another page of the hypervisor's comes into the place of the shared one at WORD; 0: of the GHCB"},
    {Lie::shared_replayed, LieForm::word_within, "shared-replayed", "at the N-th VMGEXIT the shared page at WORD, 0 the GHCB, holds what it held at the K-th"},
    {Lie::shared_unmapped, LieForm::word_at, "shared-unmapped", "from the N-th VMGEXIT on the shared page at WORD, 0 the GHCB, is a device's: #VC 0x400"},
};
// clang-format on

/// Whether it is told while the guest is loaded: of a guest that runs it changes nothing any more.
constexpr bool is_told_at_launch(Lie lie) {
    return lie == Lie::cbit_position || lie == Lie::cbit_no_effect || lie == Lie::fw_cfg_altered
           || lie == Lie::cpuid_page || lie == Lie::cpuid_entry_flip || lie == Lie::secrets_flip;
}

/// With Lie::none, which has no row.
inline constexpr size_t lie_count = sizeof lies / sizeof lies[0] + 1;

/// What `--hostile` asks for.
struct Hostility {
    Lie lie    = Lie::none;
    u64 code   = 0;
    u64 at     = 0;
    u64 within = 0;
};

/// The lie called by the `length` characters at `name`, or nullptr. Not a C string, since the
/// monitor finds the name inside its command line.
constexpr const LieDescription* find_lie(const char* name, size_t length) {
    for (const LieDescription& description : lies) {
        size_t same = 0;
        while (same < length && description.name[same] != '\0'
               && description.name[same] == name[same]) {
            ++same;
        }
        if (same == length && description.name[same] == '\0') {
            return &description;
        }
    }
    return nullptr;
}

/// A number, decimal or after 0x hexadecimal; false where that is not all there is.
constexpr bool read_number(const char* text, size_t length, u64& value) {
    const bool is_hexadecimal = length > 2 && text[0] == '0' && text[1] == 'x';
    const u64 base            = is_hexadecimal ? 16 : 10;
    value                     = 0;
    for (size_t n = is_hexadecimal ? 2 : 0; n < length; ++n) {
        const char c    = text[n];
        const u64 digit = c >= '0' && c <= '9'   ? static_cast<u64>(c - '0')
                          : c >= 'a' && c <= 'f' ? static_cast<u64>(c - 'a') + 10
                          : c >= 'A' && c <= 'F' ? static_cast<u64>(c - 'A') + 10
                                                 : base;
        if (digit >= base || value > (~u64{0} - digit) / base) {
            return false;
        }
        value = value * base + digit;
    }
    return length != 0;
}

/// Reads NAME, NAME@N, NAME:CODE, NAME:CODE@N or NAME:CODE@N+K. Returns nullptr, or what is wrong.
constexpr const char* read_hostility(const char* text, size_t length, Hostility& hostility) {
    size_t colon = length;
    size_t at    = length;
    size_t plus  = length;
    for (size_t n = length; n-- > 0;) {
        colon = text[n] == ':' ? n : colon;
        at    = text[n] == '@' ? n : at;
        plus  = text[n] == '+' ? n : plus;
    }
    const size_t name_length          = colon < at ? colon : at;
    const LieDescription* description = find_lie(text, name_length);
    if (description == nullptr) {
        return "no lie is called so";
    }
    hostility = {.lie = description->lie};
    if (description->form == LieForm::plain) {
        return name_length == length ? nullptr : "this lie takes nothing behind its name";
    }
    constexpr u64 largest_code = 0xFFFF'FFFF;
    const bool takes_at        = takes_moment(description->form);
    const size_t at_end        = is_within(description->form) && plus > at ? plus : length;
    if (takes_at
        && (at == length || !read_number(text + at + 1, at_end - at - 1, hostility.at)
            || hostility.at == 0)) {
        return "expected @N at the end, N from 1";
    }
    if (is_within(description->form)
        && (at_end == length || !read_number(text + plus + 1, length - plus - 1, hostility.within)
            || hostility.within == 0)) {
        return "expected @N+K at the end, K from 1";
    }
    if (description->form == LieForm::at) {
        return name_length == at ? nullptr : "expected NAME@N";
    }
    const bool has_number = colon < at && (takes_at || at == length)
                            && read_number(text + colon + 1, at - colon - 1, hostility.code);
    if (takes_word(description->form)) {
        return has_number ? nullptr
               : takes_at ? "expected NAME:WORD@N, WORD of 64 bits"
                          : "expected NAME:WORD, WORD of 64 bits";
    }
    if (has_number && hostility.code <= largest_code) {
        return nullptr;
    }
    return takes_at ? "expected NAME:CODE@N, CODE of 32 bits"
                    : "expected NAME:CODE, CODE of 32 bits";
}

} // namespace vestibule::sevsim
