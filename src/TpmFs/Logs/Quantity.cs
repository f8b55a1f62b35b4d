using System.Globalization;

namespace TpmFs.Logs;

/// <summary>Says how many of something there are, for people.</summary>
internal static class Quantity
{
    /// <summary>Returns the number and the noun, with a plural s where the number needs it.</summary>
    /// <param name="number">How many there are.</param>
    /// <param name="noun">One of them, such as "opener".</param>
    public static string Of(long number, string noun) =>
        string.Create(CultureInfo.InvariantCulture, $"{number} {noun}{(number == 1 ? "" : "s")}");
}
