// SPDX-License-Identifier: BSD-2-Clause-Patent
// All groups of cases, in the order in which they are asked: what everything else stands on comes
// first.
#pragma once

#include "examiner/case.h"

namespace vestibule::examiner {

extern const Group msr_group;
extern const Group vc_group;
extern const Group header_group;
extern const Group instruction_group;
extern const Group cpuid_group;
extern const Group ioio_group;
extern const Group string_group;
extern const Group msr_event_group;
extern const Group mmio_group;
extern const Group event_group;
extern const Group unknown_event_group;
extern const Group nmi_group;
extern const Group hold_group;
extern const Group registration_group;
extern const Group msr_page_group;
extern const Group page_list_group;
extern const Group request_group;
extern const Group ap_group;
extern const Group vmpl_group;
extern const Group quiet_group;
extern const Group end_group;

inline constexpr const Group* groups[] = {
    &msr_group,           &vc_group,      &header_group,    &instruction_group,  &cpuid_group,
    &ioio_group,          &string_group,  &msr_event_group, &mmio_group,         &event_group,
    &unknown_event_group, &nmi_group,     &hold_group,      &registration_group, &msr_page_group,
    &page_list_group,     &request_group, &ap_group,        &vmpl_group,         &quiet_group,
    &end_group,
};

/// A group of its tables.
template <size_t msr_count, size_t call_count, size_t code_count>
constexpr Group group_of(const char* title, const MsrCase (&msr_cases)[msr_count],
                         const CallCase (&call_cases)[call_count],
                         const CodeCase (&code_cases)[code_count]) {
    return {title, msr_cases, msr_count, call_cases, call_count, code_cases, code_count};
}

template <size_t call_count, size_t code_count>
constexpr Group group_of(const char* title, const CallCase (&call_cases)[call_count],
                         const CodeCase (&code_cases)[code_count]) {
    return {title, nullptr, 0, call_cases, call_count, code_cases, code_count};
}

template <size_t call_count>
constexpr Group group_of(const char* title, const CallCase (&call_cases)[call_count]) {
    return {title, nullptr, 0, call_cases, call_count, nullptr, 0};
}

template <size_t code_count>
constexpr Group group_of(const char* title, const CodeCase (&code_cases)[code_count]) {
    return {title, nullptr, 0, nullptr, 0, code_cases, code_count};
}

template <size_t msr_count, size_t code_count>
constexpr Group group_of(const char* title, const MsrCase (&msr_cases)[msr_count],
                         const CodeCase (&code_cases)[code_count]) {
    return {title, msr_cases, msr_count, nullptr, 0, code_cases, code_count};
}

} // namespace vestibule::examiner
