// SPDX-License-Identifier: BSD-2-Clause-Patent
// MMIO read and write (exits 0x80000001 and 0x80000002): address in SW_EXITINFO1, length in
// SW_EXITINFO2, the bytes in the scratch area (GHCB specification, section 4.1.5).
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/flash.h"
#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/scratch.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/own_tables.h"
#include "sevsim/monitor/memory/shared_noise.h"
#include "sevsim/monitor/processor/local_apic.h"

namespace vestibule::sevsim {

namespace {

struct Access {
    u64 gpa;
    u64 length;
};

/// Where there is no TPM nothing answers, and a bus that nobody drives reads as ones. QEMU reads
/// zeros from such an address, for which a driver waits long.
bool is_absent_tpm(u64 gpa) {
    constexpr u64 tpm_begin     = 0xFED4'0000;
    constexpr u64 tpm_end       = 0xFED4'5000;
    constexpr u64 tpm_vendor_id = 0xFED4'0F00;
    return gpa >= tpm_begin && gpa < tpm_end
           && *layout::at_physical<volatile u32>(tpm_vendor_id) == 0;
}

/// The local APIC answers here in xAPIC mode only (APM volume 2, section 16.9).
bool is_silent_apic(const Vcpu& vcpu, u64 gpa) {
    return vcpu.apic_mode != ApicMode::xapic && gpa >= local_apic::base && gpa < local_apic::end;
}

/// The device sees one access of the length that the guest used.
u64 read_device(const Vcpu& vcpu, Access access) {
    if (is_flash(access.gpa)) {
        return read_flash(access.length);
    }
    if (device_register(access.gpa) == nullptr || is_absent_tpm(access.gpa)
        || is_firmware(access.gpa) || is_silent_apic(vcpu, access.gpa)) {
        return ~u64{0};
    }
    switch (access.length) {
    case 1: return *layout::at_physical<volatile u8>(access.gpa);
    case 2: return *layout::at_physical<volatile u16>(access.gpa);
    case 4: return *layout::at_physical<volatile u32>(access.gpa);
    default: return *layout::at_physical<volatile u64>(access.gpa);
    }
}

/// The local APIC is the processor's own, and so the vCPU's, but for what goes to other vCPUs and
/// is more than an interrupt. True where the write is dealt with.
bool write_local_apic(Vcpu& vcpu, Access access, u64 value) {
    if (access.gpa == local_apic::logical_id) {
        vcpu.logical_id = low_half(value) >> 24;
    }
    return access.gpa == local_apic::command && send_ipi(vcpu, low_half(value));
}

void write_device(Vcpu& vcpu, Access access, u64 value) {
    if (is_silent_apic(vcpu, access.gpa) || write_local_apic(vcpu, access, value)) {
        return;
    }
    if (is_flash(access.gpa)) {
        write_flash(access.gpa, value);
        return;
    }
    if (device_register(access.gpa) == nullptr || is_firmware(access.gpa)) {
        return;
    }
    before_mmio_write(access.gpa);
    switch (access.length) {
    case 1: *layout::at_physical<volatile u8>(access.gpa) = static_cast<u8>(value); break;
    case 2: *layout::at_physical<volatile u16>(access.gpa) = static_cast<u16>(value); break;
    case 4: *layout::at_physical<volatile u32>(access.gpa) = low_half(value); break;
    default: *layout::at_physical<volatile u64>(access.gpa) = value; break;
    }
}

/// nullptr where the access is one that a device could have, else what is wrong with it.
const char* fault_of(Vcpu& vcpu, Access access) {
    const u64 length = access.length;
    if (length != 1 && length != 2 && length != 4 && length != 8) {
        return "MMIO of other than 1, 2, 4 or 8 bytes";
    }
    const u64 last = access.gpa + length - 1;
    if (last < access.gpa || last >= vcpu.c_bit()) {
        return "MMIO at an address that is none, or carries the C-bit";
    }
    if (is_guest_memory(access.gpa) || is_guest_memory(last)) {
        return "MMIO at an address where there is memory";
    }
    return nullptr;
}

template <class Move>
Answer serve(Vcpu& vcpu, const GhcbView& ghcb, Move move) {
    const Access access{ghcb.get(field::exit_info_1), ghcb.get(field::exit_info_2)};
    if (const char* fault = fault_of(vcpu, access)) {
        return Answer::invalid_input(fault);
    }
    u8* const bytes = find_scratch(vcpu, ghcb, access.length);
    if (bytes == nullptr) {
        return Answer::invalid_scratch("MMIO: the bytes do not lie in the scratch area");
    }
    move(access, bytes);
    return Answer::done();
}

} // namespace

Answer serve_mmio_read(Vcpu& vcpu, GhcbView& ghcb) {
    return serve(vcpu, ghcb, [&vcpu](Access access, u8* bytes) {
        const u64 value = read_device(vcpu, access);
        memcpy(bytes, &value, access.length);
    });
}

Answer serve_mmio_write(Vcpu& vcpu, GhcbView& ghcb) {
    return serve(vcpu, ghcb, [&vcpu](Access access, const u8* bytes) {
        u64 value = 0;
        memcpy(&value, bytes, access.length);
        write_device(vcpu, access, value);
    });
}

} // namespace vestibule::sevsim
