// From a content to a guest that is ready to run: the calls in the order that KVM demands (KVM ABI,
// sections 3 and 4).
#pragma once

#include "launcher/memory.h"
#include "launcher/session.h"

#include <array>
#include <functional>
#include <memory>

namespace vestibule::launcher {

struct Plan {
    igvm::PlatformType platform = igvm::PlatformType::native;
    igvm::GuestMachine machine;
    igvm::FileContent content;
    u64 vm_types = 0;               // as KVM_CAP_VM_TYPES answers
    std::optional<Session> session; // SEV-ES: without, nobody can check the measurement
};

/// Whether KVM takes KVM_SEV_INIT2 for SEV-ES; otherwise it is KVM_SEV_ES_INIT.
constexpr bool has_init2(u64 vm_types) {
    return (vm_types >> static_cast<unsigned>(abi::VmType::sev_es) & 1) != 0;
}

/// What GUEST_POLICY says, or where the file has none: SEV-ES without debugging, SNP's default.
u64 policy_of(const Plan& plan);

/// What SEV-ES's LAUNCH_MEASURE answers, and what the answer depends on beside the digest.
struct Measured {
    std::array<u8, 32> measure;
    std::array<u8, 16> mnonce;
    abi::PlatformStatus firmware;
    u32 policy;
};

static_assert(offsetof(Measured, firmware) == 48);

class Guest {
  public:
    /// Makes the VM, its memory and its vCPUs, and launches. LaunchError where a step fails.
    Guest(Calls& calls, int kvm, const Plan& plan);
    Guest(const Guest&)            = delete;
    Guest& operator=(const Guest&) = delete;
    ~Guest();

    struct Vcpu {
        int descriptor;
        kvm_run* run; // null before it is mapped
    };

    [[nodiscard]] int vm() const { return vm_; }

    [[nodiscard]] GuestMemory& memory() { return *memory_; }

    [[nodiscard]] const std::vector<Vcpu>& vcpus() const { return vcpus_; }

    [[nodiscard]] u64 run_size() const { return run_size_; }

    [[nodiscard]] const std::optional<Measured>& measured() const { return measured_; }

  private:
    void make_vm();
    void make_vcpus();
    void launch_sev_es();
    void launch_snp();
    void update_snp(const igvm::GuestPiece& piece, const igvm::GpaRange& range);
    void finish_snp();
    /// Calls use(pieces, range) with pages that are launched alike and follow one another in the
    /// file and in memory: a call each would be a thousand. The digest does not see the difference.
    /// Pages that are not launched are placed.
    void for_each_run(
        const std::function<void(std::span<const igvm::GuestPiece>, const igvm::GpaRange&)>& use);
    [[nodiscard]] u8* host_of(const igvm::GpaRange& range) const;
    void place(const igvm::GuestPiece& piece);
    [[nodiscard]] u64 features() const;

    Calls& calls_;
    int kvm_;
    const Plan& plan_;
    bool encrypted_;
    bool snp_;
    int vm_         = -1;
    int sev_device_ = -1;
    std::unique_ptr<GuestMemory> memory_;
    std::vector<Vcpu> vcpus_;
    u64 run_size_ = 0;
    abi::Cpuid supported_{};
    std::optional<Measured> measured_;
    abi::PlatformStatus firmware_{};
};

} // namespace vestibule::launcher
