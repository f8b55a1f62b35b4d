namespace TpmFs.Simulation.Commands;

/// <summary>
/// Part 3, 12 and 24: making and loading keys. A key is its identity: a digest of what it was made from (the
/// hierarchy's seed or the parent's identity, the template, the caller's data), so that the same commands give the same
/// keys on another simulation.
/// </summary>
internal static class KeyCommands
{
    public static uint CreatePrimary(TpmCore tpm, TpmCall call)
    {
        var input = CreationInput.Read(call.In, withCreationData: true);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        if (tpm.Objects.IsFull)
        {
            return Rc.ObjectMemory;
        }

        if (input.Check(parent: null) is not Rc.Success and var wrong)
        {
            return wrong;
        }

        uint hierarchy = call.Handle(0);
        var key = TpmObject.Key(
            input.Template, input.Identity(tpm.State.Hierarchies.Seed(hierarchy)), input.Auth, hierarchy, parent: null,
            isExternal: false);
        call.ResponseHandle = tpm.Objects.Add(key);
        call.Out.Sized(key.PublicBytes);
        input.WriteCreation(tpm, call, key, parent: null);
        call.Out.Sized(key.Name);
        return Rc.Success;
    }

    public static uint Create(TpmCore tpm, TpmCall call)
    {
        var input = CreationInput.Read(call.In, withCreationData: true);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmObject parent = call.Object(0);
        if (!parent.IsParent)
        {
            return Rc.Type.H(1);
        }

        if (tpm.Parameters.CreateNeedsSlot && tpm.Objects.IsFull)
        {
            return Rc.ObjectMemory;
        }

        if (input.Check(parent) is not Rc.Success and var wrong)
        {
            return wrong;
        }

        var key = TpmObject.Key(
            input.Template, input.Identity(parent.Identity), input.Auth, parent.Hierarchy, parent, isExternal: false);
        call.Out.Sized(PrivateBlob.Wrap(key, parent)).Sized(key.PublicBytes);
        input.WriteCreation(tpm, call, key, parent);
        return Rc.Success;
    }

    public static uint CreateLoaded(TpmCore tpm, TpmCall call)
    {
        var input = CreationInput.Read(call.In, withCreationData: false);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        TpmObject? parent = call.ObjectOrNull(0);
        if (parent is { IsParent: false })
        {
            return Rc.Type.H(1);
        }

        if (tpm.Objects.IsFull)
        {
            return Rc.ObjectMemory;
        }

        if (input.Check(parent) is not Rc.Success and var wrong)
        {
            return wrong;
        }

        uint hierarchy = parent?.Hierarchy ?? call.Handle(0);
        var key = TpmObject.Key(
            input.Template, input.Identity(parent?.Identity ?? tpm.State.Hierarchies.Seed(hierarchy)), input.Auth,
            hierarchy, parent, isExternal: false);
        call.ResponseHandle = tpm.Objects.Add(key);
        call.Out.Sized(parent is null ? [] : PrivateBlob.Wrap(key, parent)).Sized(key.PublicBytes).Sized(key.Name);
        return Rc.Success;
    }

    public static uint Load(TpmCore tpm, TpmCall call)
    {
        byte[] privateBlob = call.In.Next().Sized(1024).ToArray();
        PublicArea template = CreationInput.ReadPublic(call.In.Next(), out byte[]? publicBytes);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        if (privateBlob.Length == 0)
        {
            return Rc.Size.P(1);
        }

        if (tpm.Objects.IsFull)
        {
            return Rc.ObjectMemory;
        }

        TpmObject parent = call.Object(0);
        if (!parent.IsParent)
        {
            return Rc.Type.H(1);
        }

        uint code = PrivateBlob.Unwrap(privateBlob, publicBytes, parent, out byte[]? identity, out byte[]? auth);
        if (code != Rc.Success)
        {
            return code;
        }

        var key = TpmObject.Key(template, identity, auth, parent.Hierarchy, parent, isExternal: false, publicBytes);
        call.ResponseHandle = tpm.Objects.Add(key);
        call.Out.Sized(key.Name);
        return Rc.Success;
    }

    public static uint LoadExternal(TpmCore tpm, TpmCall call)
    {
        byte[] sensitive = call.In.Next().Sized(1024).ToArray();
        PublicArea template = CreationInput.ReadPublic(call.In.Next(), out byte[]? publicBytes);
        uint hierarchy = call.In.Next().U32();
        call.In.Require(HandleKind.HierarchyOrNull.Allows(hierarchy), Rc.Value);
        if (call.In.End() is not Rc.Success and var bad)
        {
            return bad;
        }

        if (tpm.Objects.IsFull)
        {
            return Rc.ObjectMemory;
        }

        if (!tpm.State.Hierarchies.IsEnabled(hierarchy) || (sensitive.Length != 0 && hierarchy != Handles.Null))
        {
            return Rc.Hierarchy.P(3);
        }

        if (template.IsSymmetric && template.UniqueSize != Hashes.Size(template.NameAlgorithm))
        {
            return Rc.Key.P(2);
        }

        if (template.Has(PublicArea.FixedTpm) || template.Has(PublicArea.FixedParent)
            || (sensitive.Length != 0 && template.Has(PublicArea.Restricted)))
        {
            return Rc.Attributes.P(2);
        }

        byte[] identity = sensitive.Length == 0 ? [] : Hashes.Digest(Hashes.Sha256, sensitive);
        var key = TpmObject.Key(template, identity, [], hierarchy, parent: null, isExternal: true, publicBytes);
        call.ResponseHandle = tpm.Objects.Add(key);
        call.Out.Sized(key.Name);
        return Rc.Success;
    }
}
