// SPDX-License-Identifier: BSD-2-Clause-Patent
// The EFI application that the tests start from OVMF's shell: says where it is, that CPUID tells of
// SEV-ES, on this processor and on any further one, and powers off. No EFI library: the few types
// that it needs (UEFI specification 2.10, chapters 4, 7, 8 and 12; PI specification 1.7, volume 2,
// section 13.4).
namespace {

using Status = unsigned long long;
using Char16 = char16_t;

struct TableHeader {
    unsigned long long signature;
    unsigned revision;
    unsigned size;
    unsigned crc32;
    unsigned reserved;
};

struct TextOutput {
    void* reset;
    Status (*output_string)(TextOutput* self, const Char16* text);
};

struct RuntimeServices {
    TableHeader header;
    void* before_reset_system[10];
    void (*reset_system)(unsigned type, Status status, unsigned long long size, void* data);
};

struct Guid {
    unsigned data1;
    unsigned short data2, data3;
    unsigned char data4[8];
};

struct BootServices {
    TableHeader header;
    void* before_locate_protocol[37];
    Status (*locate_protocol)(const Guid* protocol, void* registration, void** interface);
};

struct MpServices {
    Status (*count)(MpServices* self, unsigned long long* processors, unsigned long long* enabled);
    void* processor_information;
    Status (*start_all)(MpServices* self, void (*procedure)(void*), bool one_by_one, void* event,
                        unsigned long long timeout_us, void* argument, unsigned long long** failed);
};

constexpr Guid mp_services_guid = {
    0x3FDD'A605, 0xA76E, 0x4F46, {0xAD, 0x29, 0x12, 0xF4, 0x53, 0x1B, 0x3D, 0x08}
};

struct SystemTable {
    TableHeader header;
    const Char16* firmware_vendor;
    unsigned firmware_revision;
    void* console_in_handle;
    void* console_in;
    void* console_out_handle;
    TextOutput* console_out;
    void* standard_error_handle;
    TextOutput* standard_error;
    RuntimeServices* runtime;
    BootServices* boot;
};

constexpr unsigned reset_shutdown = 2;

bool has_sev_es() {
    constexpr unsigned memory_encryption = 0x8000'001F;
    constexpr unsigned sev_and_sev_es    = (1u << 1) | (1u << 3);
    unsigned eax                         = memory_encryption;
    unsigned ebx                         = 0;
    unsigned ecx                         = 0;
    unsigned edx                         = 0;
    asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return (eax & sev_and_sev_es) == sev_and_sev_es;
}

/// On another processor: #VC there.
void look_elsewhere(void* seen) {
    if (has_sev_es()) {
        auto* const count = static_cast<volatile int*>(seen);
        *count            = *count + 1;
    }
}

/// Several times: between two of them the processor has gone back to where it waits.
void look_everywhere(SystemTable* system) {
    TextOutput* out      = system->console_out;
    void* found          = nullptr;
    volatile int seen    = 0;
    constexpr int rounds = 3;
    if (system->boot->locate_protocol(&mp_services_guid, nullptr, &found) != 0) {
        out->output_string(out, u"no multiprocessor services\r\n");
        return;
    }
    auto* const services          = static_cast<MpServices*>(found);
    unsigned long long processors = 0;
    unsigned long long enabled    = 0;
    services->count(services, &processors, &enabled);
    if (enabled < 2) {
        out->output_string(out, u"one processor\r\n");
        return;
    }
    for (int n = 0; n < rounds; ++n) {
        constexpr unsigned long long timeout_us = 60'000'000;
        services->start_all(services, look_elsewhere, true, nullptr, timeout_us,
                            const_cast<int*>(&seen), nullptr);
    }
    out->output_string(out, seen == rounds ? u"CPUID on the second processor: SEV-ES\r\n"
                                           : u"CPUID on the second processor: no SEV-ES\r\n");
}

} // namespace

extern "C" Status efi_main(void* image, SystemTable* system);

extern "C" Status efi_main(void*, SystemTable* system) {
    TextOutput* out = system->console_out;
    out->output_string(out, u"hello from an EFI application\r\n");
    out->output_string(out, has_sev_es() ? u"CPUID: SEV-ES\r\n" : u"CPUID: no SEV-ES\r\n");
    look_everywhere(system);
    system->runtime->reset_system(reset_shutdown, 0, 0, nullptr);
    return 0;
}
