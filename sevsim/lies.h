// The lies a hostile hypervisor can be told to tell (`sevsim run --hostile NAME`): one table, read
// by the host command, which checks and explains the names, and by the monitor, which tells the
// lies. Freestanding: no library beyond x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

enum class Lie : u8 {
    none,
    cbit_position,
    cbit_cpuid,
    cbit_no_effect,
    response_code,
    cpuid_register,
    no_sev,
    port_data,
};

struct LieDescription {
    Lie lie;
    const char* name;
    const char* what; ///< what the hypervisor does
};

// clang-format off
inline constexpr LieDescription lies[] = {
    {Lie::cbit_position,  "cbit-position",  "SEV information reports another C-bit position"},
    {Lie::cbit_cpuid,     "cbit-cpuid",     "CPUID 0x8000001F reports another C-bit position"},
    {Lie::cbit_no_effect, "cbit-no-effect", "private and shared view show the same memory"},
    {Lie::response_code,  "response-code",  "the MSR protocol's CPUID answers carry a wrong response code"},
    {Lie::cpuid_register, "cpuid-register", "the MSR protocol's CPUID answers echo another register"},
    {Lie::no_sev,         "no-sev",         "CPUID 0x8000001F hides SEV"},
    {Lie::port_data,      "port-data",      "IN from the DMA page registers answers one bit wrong"},
};
// clang-format on

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

} // namespace vestibule::sevsim
