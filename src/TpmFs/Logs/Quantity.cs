using System.Globalization;

namespace TpmFs.Logs;

/// <summary>Writes a number of things, for people.</summary>
internal static class Quantity
{
    /// <summary>Returns the number and the noun, with a plural s where the number needs it.</summary>
    /// <param name="number">The number.</param>
    /// <param name="noun">The noun for one of them, such as "opener".</param>
    public static string Of(long number, string noun) =>
        string.Create(CultureInfo.InvariantCulture, $"{number} {noun}{(number == 1 ? "" : "s")}");
}
