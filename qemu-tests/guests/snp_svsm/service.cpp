// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "qemu-tests/guests/snp_svsm/service.h"

namespace vestibule::snp_guest {

constinit Own own{};

namespace {

constexpr u64 run_vmpl         = 0x016;
constexpr u64 answered         = 0x017;
constexpr u64 core             = 0;
constexpr u64 attestation      = 1;
constexpr u64 vtpm             = 2;
constexpr u64 protocol_result  = 0x8000'1000;
constexpr u64 unknown_protocol = 1;
alignas(page_size) constinit u8 further_vmsas[most_vcpus][page_size]{};
alignas(page_size) constinit u8 further_stacks[most_vcpus][page_size]{};

constexpr u64 no_change       = 0x10; // of PVALIDATE: CF
constexpr u64 read_permission = 0x100;

/// The guest may read what it has made: Linux does, for the call that starts the vCPU.
u64 vmsa_of_guest() { return bit(16) | read_permission | own.vmpl; }

/// An entry of the list; 0, or the code of what went wrong.
u64 validate(u64 entry) {
    const u64 gpa       = entry & ~u64{0xFFF};
    const u32 size      = entry & 3;
    const bool validate = (entry & 4) != 0;
    if (size > 1 || (entry & 0xFF0) != 0 || (size == 1 && gpa % 0x20'0000 != 0)) {
        return result + bad_parameter;
    }
    if (!is_the_kernels(gpa)) {
        return result + bad_address;
    }
    const u64 done = pvalidate(gpa, size, validate ? 1 : 0);
    if ((done & 0xFFFF'FFFF) != 0) {
        return protocol_result + (done & 0xFFFF'FFFF);
    }
    if ((done & carry) != 0) {
        return protocol_result + no_change;
    }
    const u64 given = validate ? rmpadjust(gpa, size, for_guest()) : 0;
    return given == 0 ? 0 : protocol_result + (given & 0xFFFF'FFFF);
}

/// The list lies in the calling area, a header and an entry for each page. Three at a time: whoever
/// calls has to reckon with a service that breaks off.
u64 serve_pvalidate(u64 gpa, const Client& client) {
    if (gpa % 8 != 0 || gpa < client.calling_area + 8
        || gpa >= client.calling_area + page_size - 8) {
        return result + bad_address;
    }
    const u64 room      = (client.calling_area + page_size - gpa) / 8 - 1;
    volatile u16& count = at<u16>(gpa);
    volatile u16& next  = at<u16>(gpa + 2);
    const u16 entries   = count;
    if (entries == 0 || entries > room || next >= entries) {
        return result + bad_parameter;
    }
    for (unsigned n = 0; next < entries; ++n) {
        if (n == 100) {
            return result; // incomplete
        }
        if (const u64 code = validate(at(gpa + 8 + u64{next} * 8)); code != 0) {
            return code;
        }
        next = static_cast<u16>(next + 1);
    }
    return 0;
}

void serve(Client& client);

/// What the service runs on a further vCPU. It halts until the guest has had the hypervisor start
/// it there; from then on it is run whenever the guest calls.
void further_vcpu(u64 apic_id) {
    Client& client = own.clients[apic_id];
    for (;;) {
        asm volatile("cli; hlt");
        do {
            serve(client);
        } while (msr_request(u64{own.vmpl} << 32 | run_vmpl) == answered);
    }
}

/// By a VMSA of the service's own, once.
bool start_further_vcpu(u64 apic_id) {
    static constinit bool is_started[most_vcpus]{};
    if (is_started[apic_id]) {
        return true;
    }
    is_started[apic_id] = true;
    u8* const page      = further_vmsas[apic_id];
    make_vmsa(page, nullptr, further_stacks[apic_id] + sizeof further_stacks[0], 0);
    x86::Vmsa& vmsa = *reinterpret_cast<x86::Vmsa*>(page);
    vmsa.rip        = reinterpret_cast<u64>(&further_vcpu);
    vmsa.rdi        = apic_id;
    put(field::rax, 1);
    return rmpadjust(address_of(page), 0, bit(16) | 1) == 0
           && call(0x8000'0013, apic_id << 32 | 1, address_of(page)).info_1 == 0;
}

/// SVSM_CORE_CREATE_VCPU: the VMSA, the new calling area, the APIC ID.
u64 create_vcpu(const x86::Vmsa& registers) {
    const u64 apic_id = registers.r8;
    if (!is_the_kernels(registers.rcx) || !is_the_kernels(registers.rdx)
        || registers.rdx % page_size != 0 || apic_id == 0 || apic_id >= most_vcpus
        || at<u8>(registers.rcx + offsetof(x86::Vmsa, vmpl)) != own.vmpl) {
        return result + bad_parameter;
    }
    own.clients[apic_id] = {.vmsa = registers.rcx, .calling_area = registers.rdx};
    return start_further_vcpu(apic_id) && rmpadjust(registers.rcx, 0, vmsa_of_guest()) == 0
               ? 0
               : result + bad_parameter;
}

u64 serve_core(u32 code, x86::Vmsa& registers, Client& client) {
    switch (code) {
    case 0: // SVSM_CORE_REMAP_CA
        if (registers.rcx % page_size != 0 || !is_the_kernels(registers.rcx)) {
            return result + bad_address;
        }
        client.calling_area = registers.rcx;
        return 0;
    case 1: return serve_pvalidate(registers.rcx, client);
    case 2: return create_vcpu(registers);
    case 3: { // SVSM_CORE_DELETE_VCPU
        const u64 taken = rmpadjust(registers.rcx, 0, for_guest());
        return taken == 0 ? 0 : protocol_result + taken;
    }
    case 6: // SVSM_CORE_QUERY_PROTOCOL
        registers.rcx = registers.rcx >> 32 <= vtpm ? u64{1} << 32 | 1 : 0;
        return 0;
    default: return result + unknown_call;
    }
}

void serve(Client& client) {
    volatile u8& pending = at<u8>(client.calling_area);
    if (pending == 0) {
        return; // the hypervisor has run us for nothing
    }
    x86::Vmsa& registers = *reinterpret_cast<x86::Vmsa*>(client.vmsa);
    const u64 call       = registers.rax;
    const auto code      = static_cast<u32>(call);
    switch (call >> 32) {
    case core: registers.rax = serve_core(code, registers, client); break;
    case attestation: registers.rax = serve_attestation(code, registers, client); break;
    case vtpm: registers.rax = serve_vtpm(code, registers); break;
    default: registers.rax = result + unknown_protocol;
    }
    pending = 0;
}

} // namespace

void fill_secrets_page(u64 page, u64 base, u64 area) {
    auto* const bytes = reinterpret_cast<u8*>(page);
    memcpy(own.vmpck0, bytes + 0x20, sizeof own.vmpck0);
    memset(bytes + 0x20, 0, own.vmpl * sizeof own.vmpck0); // those of the VMPLs above it too
    at(page + 0x140)            = base;                    // SVSM_BASE
    at(page + 0x148)            = page_size;               // SVSM_SIZE
    at(page + 0x150)            = area;
    at<u32>(page + 0x158)       = 1; // SVSM_MAX_VERSION
    at<u8>(page + 0x15C)        = own.vmpl;
    own.clients[0].calling_area = area;
}

void give_to_guest(u64 page) {
    require(rmpadjust(page, 0, for_guest()) == 0, ghcb::reason::snp_rmpadjust);
}

void run_guest() {
    require(rmpadjust(own.clients[0].vmsa, 0, vmsa_of_guest()) == 0, ghcb::reason::snp_rmpadjust);
    put(field::rax, 1);
    require(call(0x8000'0013, u64{own.vmpl} << 16 | 1, own.clients[0].vmsa).info_1 == 0,
            ghcb::reason::snp_ap_creation);
    while (msr_request(u64{own.vmpl} << 32 | run_vmpl) == answered) {
        serve(own.clients[0]);
    }
    end(ghcb::reason::msr_bad_response);
}

} // namespace vestibule::snp_guest
