// SPDX-License-Identifier: BSD-2-Clause-Patent
// Starts \EFI\vestibule\vestibule.efi on firmware that has a TPM, as far as the application can
// see: a TCG2 protocol whose HashLogExtendEvent says on COM1 what it is to extend by (TCG EFI
// Protocol Specification, section 6.6).
#include "qemu-tests/efi/application.h"
#include "x86/cpu.h"

using namespace vestibule;

namespace {

constexpr EFI_GUID tcg2_guid = {
    0x607f766c, 0x7455, 0x42be, {0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f}
};

void put(char character) {
    constexpr u16 data   = 0x3F8;
    constexpr u16 status = 0x3FD;
    while ((x86::Cpu::in8(status) & 0x20) == 0) { // the transmitter is busy
    }
    x86::Cpu::out8(data, static_cast<u8>(character));
}

void put(const char* text) {
    while (*text != '\0') {
        put(*text++);
    }
}

void put(u64 number) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count != 0) {
        put(digits[--count]);
    }
}

struct [[gnu::packed]] Event {
    u32 size;
    u32 header_size;
    u16 header_version;
    u32 pcr;
    u32 type;
    char16_t description[10];
};

/// "tcg2: PCR 11, event 13, .cmdline: 19 bytes, sum 1790"
EFI_STATUS EFIAPI say_event(void*, u64 flags, u64 data, u64 size, const Event* event) {
    if (flags != 0 || event->header_size != 14 || event->header_version != 1
        || event->size != sizeof(Event)) {
        put("tcg2: WRONG event\n");
        return EFI_INVALID_PARAMETER;
    }
    u64 sum = 0;
    for (u64 n = 0; n < size; ++n) {
        sum += reinterpret_cast<const u8*>(data)[n];
    }
    put("tcg2: PCR ");
    put(u64{event->pcr});
    put(", event ");
    put(u64{event->type});
    put(", ");
    for (const char16_t character : event->description) {
        if (character != 0) {
            put(static_cast<char>(character));
        }
    }
    put(": ");
    put(size);
    put(" bytes, sum ");
    put(sum);
    put("\n");
    return EFI_SUCCESS;
}

/// The firmware itself asks before it would measure an image that it loads: it shall not.
EFI_STATUS EFIAPI no_capability(void*, void*) { return EFI_UNSUPPORTED; }

struct Tcg2 {
    EFI_STATUS(EFIAPI* get_capability)(void*, void*)                        = no_capability;
    void* get_event_log                                                     = nullptr;
    EFI_STATUS(EFIAPI* hash_log_extend)(void*, u64, u64, u64, const Event*) = say_event;
};

constinit Tcg2 tcg2{};

} // namespace

extern "C" EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system) {
    EFI_BOOT_SERVICES& services = *system->BootServices;
    EFI_GUID guid               = tcg2_guid;
    EFI_HANDLE handle           = nullptr;
    EFI_HANDLE application      = nullptr;
    EFI_STATUS status =
        services.InstallProtocolInterface(&handle, &guid, EFI_NATIVE_INTERFACE, &tcg2);
    if (status == EFI_SUCCESS) {
        status = efi_test::load_application(services, image, application);
    }
    return status == EFI_SUCCESS ? services.StartImage(application, nullptr, nullptr) : status;
}
