namespace TpmFs.Vm.Tests.Boot;

/// <summary>
/// Settings of tpmfs.service that systemd has as long as this lives. It does not start the service anew.
/// </summary>
internal sealed class DropIn : IDisposable
{
    private const string Folder = "/run/systemd/system/tpmfs.service.d";

    private readonly DebianGuest _machine;

    /// <param name="machine">Where the service is.</param>
    /// <param name="settings">Lines of the section Service.</param>
    public DropIn(DebianGuest machine, string settings)
    {
        _machine = machine;
        machine.Run($"""
            mkdir -p {Folder}
            cat >{Folder}/test.conf <<'END'
            [Service]
            {settings}
            END
            systemctl daemon-reload
            """).Succeeded();
    }

    public void Dispose() => _machine.Run($"rm -r {Folder}; systemctl daemon-reload").Succeeded();
}
