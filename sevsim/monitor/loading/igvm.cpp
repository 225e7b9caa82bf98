#include "sevsim/monitor/loading/loader.h"

#include "igvm/format/reader.h"
#include "igvm/format/vp_context.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/processor/vmsa.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

namespace {

/// Where a page of the file goes. Under SEV-ES the launch encrypts it: it lands in the private
/// view.
u8* destination(Vcpu& vcpu, u64 gpa) {
    if (!is_guest_memory(gpa)) {
        end_run_by_monitor_error("a page of the file lies outside guest memory: try more --memory");
    }
    return vcpu.options.is_native() ? layout::at_physical(gpa)
                                                     : private_memory(gpa);
}

void load_page(Vcpu& vcpu, const igvm::File& file, const igvm::PageData& page) {
    constexpr u32 unencrypted = igvm::PageData::unmeasured | igvm::PageData::shared;
    if (vcpu.options.platform == Platform::sev_es && (page.flags & unencrypted) != 0) {
        end_run_by_monitor_error("an unmeasured or shared page: SEV-ES launches none");
    }
    u8* const to    = destination(vcpu, page.gpa);
    const auto from = file.data(page);
    if (from.empty()) {
        memset(to, 0, page_size);
    } else {
        memcpy(to, from.data(), page_size);
    }
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
    if (vcpu.options.is_native()) {
        load_native_context(vcpu, bytes);
    } else {
        load_vmsa(vcpu, igvm::load<x86::Vmsa>(bytes));
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
    const bool native = vcpu.options.is_native();
    const u32 mask =
        file->mask_of(native ? igvm::PlatformType::native : igvm::PlatformType::sev_es);
    if (mask == 0) {
        end_run_by_monitor_error(native ? "the file is not for the NATIVE platform"
                                        : "the file is not for the SEV-ES platform");
    }
    size_t contexts = 0;
    for (const igvm::Header header : file->directives(mask)) {
        if (const auto page = header.as<igvm::PageData>()) {
            load_page(vcpu, *file, *page);
        } else if (const auto context = header.as<igvm::VpContext>()) {
            if (context->vp_index >= vcpus.size()) {
                end_run_by_monitor_error(
                    "a context for a vCPU that this machine does not have: try more (--smp)");
            }
            load_context(vcpus[context->vp_index], *file, *context);
            ++contexts;
        } else if (header.type != igvm::HeaderType::required_memory) {
            end_run_by_monitor_error("a directive that this machine does not serve");
        }
    }
    if (contexts != vcpus.size()) {
        end_run_by_monitor_error("the file has not one context for each vCPU (--smp)");
    }
}

} // namespace vestibule::sevsim
