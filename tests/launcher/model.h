// SPDX-License-Identifier: BSD-2-Clause-Patent
// A model of KVM and of AMD's secure processor, behind the launcher's seam: written from the KVM
// ABI notes and the VMSA's rules, and not from the launcher or the igvm library's digests, so that
// one misreading does not hide in both. It accepts the legal orders of a launch and refuses the
// others, encrypts what is launched, measures it, and lets a guest run by a script of exits.
#pragma once

#include "igvm/measure/digest.h"
#include "kvm/abi.h"
#include "kvm/kernel.h"
#include "x86/vmsa.h"

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vestibule::launcher::test {

namespace abi = kvm::abi;
using kvm::Kernel;

/// The host that the model is of.
struct ModelHost {
    std::string release = "7.1.0";
    u64 vm_types        = 0x1F; // 0: a kernel that has KVM_SEV_ES_INIT only
    u64 forced_features = 0;    // SEV_FEATURES that nobody asked for: Linux 6.6 with DebugSwap
    /// A kernel that makes something else of a VMSA.
    std::function<void(x86::Vmsa&)> alters{}; // NOLINT(readability-redundant-member-init)
    std::array<u8, 16> tik{};                 // of the owner's session, where one is given
    sev_user_data_status firmware{
        .api_major = 1, .api_minor = 55, .state = 1, .flags = 0x100, .build = 16, .guest_count = 0};
    std::map<std::string, std::string> files = {
        {"/sys/module/kvm_amd/parameters/sev_es",  "Y\n"},
        {"/sys/module/kvm_amd/parameters/sev_snp", "Y\n"},
        {"/sys/module/kvm_amd/parameters/nested",  "1\n"},
    };
};

class Model : public Kernel {
  public:
    explicit Model(ModelHost host = {});
    ~Model() override;

    // What goes wrong

    void refuse_open(const std::string& path, int error) { refused_opens_[path] = error; }

    void refuse(u64 request, int error) { refused_requests_[request] = error; }

    void refuse(abi::Sev command, int error, u32 firmware) {
        refused_commands_[command] = {error, firmware};
    }

    /// KVM's CPUID table has so many entries more.
    u32 more_cpuid_entries = 0;

    /// CPUID pages come back corrected, once.
    bool corrects_cpuid = false;

    // What the guest does: each entry fills in an exit; KVM_RUN answers with what it returns

    using Exit = std::function<int(kvm_run& run)>;
    std::deque<Exit> script;

    /// What the script's entries find afterwards.
    [[nodiscard]] const std::vector<kvm_irq_level>& irqs() const { return irqs_; }

    // What came of the launch

    /// What was measured; for SEV-ES the SHA-256, for SNP the chain's end.
    [[nodiscard]] std::vector<u8> digest() const;

    /// A page as the guest sees it with the C-bit; empty where it has never been launched.
    [[nodiscard]] std::vector<u8> private_page(u64 gpa) const;

    /// A page as the host sees it.
    [[nodiscard]] std::vector<u8> host_page(u64 gpa) const;

    [[nodiscard]] bool is_private(u64 gpa) const { return private_.contains(gpa / page_size); }

    [[nodiscard]] const kvm_sregs& sregs(u32 vcpu) const { return vcpus_.at(vcpu)->sregs; }

    [[nodiscard]] const kvm_regs& regs(u32 vcpu) const { return vcpus_.at(vcpu)->regs; }

    /// Whether the VM gets KVM_EXIT_HYPERCALL; without, SNP's page state changes fail.
    [[nodiscard]] bool has_hypercalls() const { return hypercalls_; }

    [[nodiscard]] u64 open_descriptors() const { return kinds_.size(); }

    [[nodiscard]] u32 policy() const { return policy_; }

    // Kernel
    int open(const char* path) override;
    void close(int descriptor) override;
    int ioctl(int descriptor, u64 request, u64 argument) override;
    u8* map(u64 size, int descriptor) override;
    void unmap(u8* memory, u64 size) override;
    void discard(int descriptor, u64 at, u64 size) override;
    std::string read(const char* path) override;

  private:
    enum class Kind : u8 { kvm, sev, vm, vcpu, memfd };

    /// Of a guest, in both the firmware's tables (SEV API: GSTATE; SNP: GCTX).
    enum class State : u8 { none, initialized, started, measured, running };

    struct Vcpu {
        kvm_regs regs;
        kvm_sregs sregs;
        std::map<u32, u64> msrs;
        u64 xcr0, dr6, dr7;
        u8 xsave[4096];
        kvm_run* run;
        bool sealed; // its registers are the VMSA's now
    };

    struct Slot {
        u64 gpa, size;
        u8* host;
        int memfd;
    };

    int vm_ioctl(u64 request, u64 argument);
    int vcpu_ioctl(Vcpu& vcpu, u64 request, u64 argument);
    int sev(abi::SevCommand& command);
    int sev_legacy(abi::SevCommand& command);
    int snp(abi::SevCommand& command);
    int init(u64 features);
    int launch_start(const kvm_sev_launch_start& start, u32& firmware);
    int update_data(const kvm_sev_launch_update_data& buffer, u32& firmware);
    int update_vmsa();
    int measure(kvm_sev_launch_measure& buffer, u32& firmware);
    int snp_start(const abi::SnpLaunchStart& start);
    int snp_update(abi::SnpLaunchUpdate& update, u32& firmware);
    int snp_finish(const abi::SnpLaunchFinish& finish, u32& firmware);
    int run(Vcpu& vcpu);
    [[nodiscard]] x86::Vmsa vmsa_of(const Vcpu& vcpu) const;
    [[nodiscard]] x86::Vmsa unaltered_vmsa_of(const Vcpu& vcpu) const;
    void chain(u8 type, u64 gpa, std::span<const u8> contents);
    [[nodiscard]] const Slot* slot_at(u64 gpa) const;
    static void crypt(std::span<u8> page, u64 address);

    ModelHost host_;
    mutable std::mutex mutex_;
    std::map<std::string, int> refused_opens_;
    std::map<u64, int> refused_requests_;
    std::map<abi::Sev, std::pair<int, u32>> refused_commands_;
    std::map<int, Kind> kinds_;
    std::map<int, u32> vcpu_numbers_;
    int next_ = 3;
    std::map<u8*, std::pair<u64, bool>> maps_; // size, and whether it is a kvm_run

    u32 type_        = 0;
    bool hypercalls_ = false;
    State state_     = State::none;
    u64 features_    = 0;
    u32 policy_      = 0;
    bool has_tik_    = false;
    std::vector<std::unique_ptr<Vcpu>> vcpus_;
    std::map<u32, Slot> slots_;
    std::vector<kvm_enc_region> regions_;
    std::set<u64> private_;                    // page numbers by the memory attributes
    std::map<u64, std::vector<u8>> encrypted_; // SNP: ciphertext by page number
    std::set<u64> encrypted_in_place_;
    std::vector<u8> measured_; // SEV-ES: all that was measured
    igvm::Digest384 ld_{};     // SNP
    std::vector<kvm_irq_level> irqs_;
};

} // namespace vestibule::launcher::test
