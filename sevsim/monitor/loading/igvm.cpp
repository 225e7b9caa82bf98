#include "sevsim/monitor/loading/loader.h"

#include "igvm/format/reader.h"
#include "igvm/format/vp_context.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"

#include <string_view>

namespace vestibule::sevsim {

namespace {

/// Where a page of the file goes. Under SEV-ES the launch encrypts it: it lands in the private
/// view.
u8* destination(Vcpu& vcpu, u64 gpa) {
    return vcpu.options.platform == Platform::native ? layout::at_physical(gpa)
                                                     : private_memory(gpa);
}

/// Ends the run over a header of the file: its name and place, what is wrong with it, and what
/// would help.
[[noreturn]] void refuse(const igvm::Header& header, std::string_view why) {
    char text[256];
    size_t size    = 0;
    const auto add = [&](std::string_view part) {
        for (const char character : part) {
            if (size < sizeof text) {
                text[size++] = character;
            }
        }
    };
    add(header.row().name);
    add(" at offset 0x");
    for (int shift = 28; shift >= 0; shift -= 4) {
        const u64 rest = header.offset >> shift;
        if (rest != 0 || shift == 0) {
            add({&"0123456789abcdef"[rest & 0xF], 1});
        }
    }
    add(": ");
    add(why);
    end_run_by_monitor_error({text, size});
}

/// What to do about a directive that this machine does not serve.
std::string_view way_round(igvm::HeaderType type) {
    using enum igvm::HeaderType;
    switch (type) {
    case vbs_measurement: return "for VBS only: build for the platforms native and sev-es";
    case snp_id_block: return "for SEV-SNP only: build for the platforms native and sev-es";
    case error_range: return "not served: build without it";
    default:
        return "what a loader fills in is not served: build without --parameters, and with "
               "--cmdline and --memory for what the guest is to know";
    }
}

void load_page(Vcpu& vcpu, const igvm::File& file, const igvm::Header& header,
               const igvm::PageData& page) {
    constexpr u32 unencrypted = igvm::PageData::unmeasured | igvm::PageData::shared;
    if (vcpu.options.platform == Platform::sev_es && (page.flags & unencrypted) != 0) {
        refuse(header, "an unmeasured or shared page: SEV-ES launches none");
    }
    if (!is_guest_memory(page.gpa)) {
        refuse(header, "the page lies outside guest memory: try more (--memory)");
    }
    u8* const to    = destination(vcpu, page.gpa);
    const auto from = file.data(page);
    if (from.empty()) {
        memset(to, 0, page_size);
    } else {
        memcpy(to, from.data(), page_size);
    }
}

/// A VMSA's first bytes are the VMCB's save area, which is how KVM makes one of the other.
void load_vmsa(Vcpu& vcpu, std::span<const u8> bytes) {
    constexpr size_t common = offsetof(x86::Vmsa, spec_ctrl);
    memcpy(vcpu.vmcb.save_area.bytes, bytes.data(), common);
    const auto vmsa    = igvm::load<x86::Vmsa>(bytes);
    GuestRegisters& to = vcpu.registers;
    to                 = {vmsa.rcx, vmsa.rdx, vmsa.rbx, vmsa.rbp, vmsa.rsi, vmsa.rdi, vmsa.r8,
                          vmsa.r9,  vmsa.r10, vmsa.r11, vmsa.r12, vmsa.r13, vmsa.r14, vmsa.r15};
    vcpu.set_cr3(vmsa.cr3);
}

x86::Segment segment(const igvm::NativeSegment& from) {
    return {from.selector, x86::vmsa_attributes(from.attributes), from.limit, from.base};
}

/// What the context does not hold has its reset value.
void load_native_context(Vcpu& vcpu, std::span<const u8> bytes) {
    const auto context = igvm::load<igvm::NativeVpContext>(bytes);
    reset(vcpu);
    x86::Vmsa& state = vcpu.state();
    state.cs         = segment(context.code);
    state.ds         = segment(context.data);
    state.es = state.fs = state.gs = state.ss = state.ds;
    state.gdtr.limit                          = context.gdtr_limit;
    state.gdtr.base                           = context.gdtr_base;
    state.idtr.limit                          = context.idtr_limit;
    state.idtr.base                           = context.idtr_base;
    state.efer                                = context.efer | x86::efer::svme;
    state.cr0                                 = context.cr0;
    state.cr4                                 = context.cr4;
    state.rflags                              = context.rflags;
    state.rip                                 = context.rip;
    state.rsp                                 = context.rsp;
    state.rax                                 = context.rax;
    vcpu.registers = {context.rcx, context.rdx, context.rbx, context.rbp, context.rsi,
                      context.rdi, context.r8,  context.r9,  context.r10, context.r11,
                      context.r12, context.r13, context.r14, context.r15};
    vcpu.set_cr3(context.cr3);
}

void load_context(Vcpu& vcpu, const igvm::File& file, const igvm::VpContext& context) {
    const auto bytes = file.data(context.file_offset, page_size);
    if (vcpu.options.platform == Platform::native) {
        load_native_context(vcpu, bytes);
    } else {
        load_vmsa(vcpu, bytes);
    }
    vcpu.ghcb_msr = ghcb_msr_at_reset(vcpu.options);
}

} // namespace

void load_igvm(std::span<Vcpu> vcpus, std::span<const u8> bytes) {
    Vcpu& vcpu      = vcpus[0];
    const auto file = igvm::parse(bytes);
    if (!file) {
        end_run_by_monitor_error(file.error().expected());
    }
    const bool native = vcpu.options.platform == Platform::native;
    const u32 mask =
        file->mask_of(native ? igvm::PlatformType::native : igvm::PlatformType::sev_es);
    if (mask == 0) {
        end_run_by_monitor_error(native ? "the file is not for the NATIVE platform"
                                        : "the file is not for the SEV-ES platform");
    }
    size_t contexts = 0;
    for (const igvm::Header header : file->directives(mask)) {
        if (const auto page = header.as<igvm::PageData>()) {
            load_page(vcpu, *file, header, *page);
        } else if (const auto context = header.as<igvm::VpContext>()) {
            if (context->vp_index >= vcpus.size()) {
                refuse(header, "a context for a vCPU that this machine does not have: try more "
                               "(--smp)");
            }
            load_context(vcpus[context->vp_index], *file, *context);
            ++contexts;
        } else if (header.type != igvm::HeaderType::required_memory) {
            refuse(header, way_round(header.type));
        }
    }
    if (contexts != vcpus.size()) {
        end_run_by_monitor_error("the file has not one context for each vCPU (--smp)");
    }
}

} // namespace vestibule::sevsim
